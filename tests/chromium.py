"""Chromium for the tests of the pages: its path is looked for, or said by the environment variable CHROMIUM."""
import contextlib
import os
import shutil

import pytest

CHROMIUM = os.environ.get('CHROMIUM') or next(filter(None, map(shutil.which, (
    'chromium', 'chromium-browser', 'google-chrome'))), None)


@contextlib.contextmanager
def chromium():
    """A browser of Playwright's; the test is skipped where Playwright or Chromium is missing."""
    api = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')
    if CHROMIUM is None:
        pytest.skip('no Chromium: install one, or name it in the environment variable CHROMIUM')
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[
            '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'])
        yield browser
        browser.close()
