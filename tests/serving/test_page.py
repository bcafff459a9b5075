"""The page in a real browser; see tests/chromium.py for Chromium's path."""
import re

import pytest

for _name in ('fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='the extra [serve] is not installed')
api = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')

from stub_site import Stub, running  # noqa: E402

KEY = 'a-key-of-sixteen-or-more'


class Pairs(Stub):
    """Reads two texts, and remembers what it was asked."""
    def check(self, name, pattern, texts):
        self.asked = pattern, texts

    def describe(self, name):
        return dict(super(Pairs, self).describe(name), pair=True, pattern='{text_a}[MASK]{text_b}', patterns={},
                    example=['好', '坏'])


class Exported(Stub):
    """As an exported model: it lists no words and has one pattern."""
    can_fill = False

    def describe(self, name):
        return dict(super(Exported, self).describe(name), kind='exported', patterns={}, fills=False)


@pytest.fixture(scope='module')
def engines():
    return {'stub': Stub(), 'pairs': Pairs(), 'exported': Exported()}


@pytest.fixture(scope='module')
def site(engines):
    with running(engines, max_text=200) as found:
        yield found


@pytest.fixture
def open_page(open_page):
    """Opens the page and waits for its models, unless it cannot have them."""
    def call(*args, has_models=True, **settings):
        page = open_page(*args, **settings)
        if has_models:
            api.expect(page.locator('#text')).not_to_have_value('')  # the task's example
        return page
    return call


def ask(page, text, done='Result: '):
    page.fill('#text', text)
    page.click('#ask')
    api.expect(page.locator('#status')).to_have_text(re.compile(done))


def rows(page, part):
    return [re.sub(r'\s+', ' ', row) for row in page.locator(part + ' li').all_inner_texts()]


def test_a_text_is_asked_and_cloze_labels_and_words_are_shown(site, open_page):
    page = open_page(site.url)
    api.expect(page.locator('#text')).to_have_value('好吃')  # the task's example
    ask(page, '好用')
    assert page.inner_text('#status') == 'Result: good, 75.0 %'
    assert page.inner_text('#cloze') == '好。好用' and page.inner_text('#cloze mark') == '好'
    assert rows(page, '#labels') == ['good好 75.0 %', 'bad坏 25.0 %']
    assert rows(page, '#words') == ['好 50.0 %', '坏 25.0 %']
    ask(page, '难用', 'bad')
    assert page.inner_text('#cloze mark') == '坏' and rows(page, '#labels')[0] == 'bad坏 75.0 %'


def test_markup_is_shown_as_it_is_typed(site, open_page):
    page, text = open_page(site.url), '<img src=x onerror="document.title=1"> & <b>好</b> $& [MASK]'
    page.select_option('#pattern', '')
    page.fill('#own', '[MASK]<i>{text}')
    ask(page, text)
    assert page.inner_text('#cloze') == '坏<i>' + text and page.title() == 'pet_keras'
    assert page.locator('#cloze img, #cloze b, #cloze i').count() == 0
    assert page.locator('#words h3').count() == 0  # what a text says is no blank


def test_an_error_is_said_and_the_next_text_is_asked_all_the_same(site, open_page):
    page = open_page(site.url)
    page.fill('#text', '坏了')
    page.click('#ask')
    api.expect(page.get_by_role('alert')).to_have_text('坏了 cannot be read.')
    assert not page.is_visible('#result')
    ask(page, '好了')
    assert page.inner_text('#error') == '' and page.is_visible('#result')


def test_it_speaks_the_browsers_language_and_the_other(site, open_page):
    page = open_page(site.url, 'zh-CN')
    assert page.inner_text('#ask') == '试一试' and page.get_attribute('html', 'lang') == 'zh'
    page.get_by_role('button', name='English').click()
    assert page.inner_text('#ask') == 'Try it' and page.get_attribute('html', 'lang') == 'en'


def test_the_keyboard_is_enough_and_every_field_has_a_name(site, open_page):
    page = open_page(site.url)
    for label in ('Model', 'Text', 'Pattern'):
        assert page.get_by_label(label, exact=True).count() == 1
    page.focus('#text')
    for _ in range(2):
        page.keyboard.press('Tab')
    page.keyboard.press('Enter')  # the button has the focus
    api.expect(page.get_by_role('status')).to_have_text(re.compile('Result: good'))


def test_a_phone_scrolls_in_one_direction(site, open_page):
    page = open_page(site.url, viewport={'width': 320, 'height': 640}, has_touch=True)
    ask(page, '好' + 'a' * 150)
    assert page.is_visible('#cloze') and page.evaluate('document.documentElement.scrollWidth') <= 320
    page.goto(site.url + '/docs')
    api.expect(page.get_by_role('heading', name='GET /metrics')).to_be_visible()
    assert page.evaluate('document.documentElement.scrollWidth') <= 320


def test_a_model_of_pairs_takes_two_texts(site, open_page, engines):
    page = open_page(site.url)
    assert not page.is_visible('#second')
    page.select_option('#model', 'pairs')
    assert page.is_visible('#second') and not page.is_visible('#pattern')
    ask(page, '好吃')
    assert engines['pairs'].asked == (None, ['好吃', '坏']) and page.inner_text('#cloze') == '好吃好坏'


def test_an_exported_model_says_what_it_cannot_do(site, open_page):
    page = open_page(site.url)
    assert not page.is_visible('#exported')
    page.select_option('#model', 'exported')
    assert 'exported with' in page.inner_text('#exported') and not page.is_visible('#pattern')
    ask(page, '好用')
    assert page.inner_text('#cloze') == '好。好用' and not page.is_visible('#words-part')


def test_a_key_is_asked_for_and_sent(open_page):
    with running({'stub': Stub()}, keys=[KEY.encode()]) as locked:
        page = open_page(locked.url, has_models=False)
        api.expect(page.get_by_role('alert')).to_have_text('This server wants a key.')
        page.get_by_label('API key').fill(KEY)
        page.keyboard.press('Tab')
        api.expect(page.locator('#text')).to_have_value('好吃')
        ask(page, '好吃')


def test_docs_name_every_path_and_show_a_request(site, open_page):
    page = open_page(site.url)
    page.goto(site.url + '/docs')
    api.expect(page.get_by_role('heading', name='POST /v1/classify')).to_be_visible()
    assert page.locator('h2').all_inner_texts() == ['POST /v1/classify', 'POST /v1/fill', 'GET /v1/models',
                                                    'GET /healthz', 'GET /metrics']
    assert "-d '{\"model\":\"sentiment\"" in page.locator('pre').first.inner_text()
