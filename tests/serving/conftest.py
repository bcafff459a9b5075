"""Fixtures of the tests of the pages: Chromium, and windows in it."""
import pytest
from chromium import chromium


@pytest.fixture(scope='module')
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def open_page(browser):
    """Opens a window on a page; what it asks of other sites, and what goes wrong in it, fails the test."""
    contexts, wrong = [], []

    def call(url, locale='en-US', **settings):
        contexts.append(browser.new_context(locale=locale, **settings))
        page = contexts[-1].new_page()
        page.set_default_timeout(10000)
        page.on('pageerror', lambda error: wrong.append(str(error)))
        page.on('console', lambda message: wrong.append(message.text) if 'Content Security' in message.text else None)
        page.on('request', lambda request: wrong.append(request.url)
                if not request.url.startswith((url, 'data:')) else None)
        page.goto(url)
        return page
    yield call
    for context in contexts:
        context.close()
    assert wrong == []
