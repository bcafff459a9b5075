"""The labelling page in a real browser; see tests/chromium.py for Chromium's path."""
import contextlib
import os
import re

import pytest

for _name in ('fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='the extra [serve] is not installed')
api = pytest.importorskip('playwright.sync_api', reason='Playwright is not installed')

from labelling_site import labelling  # noqa: E402

TEXTS = ['文本%d' % i for i in range(40)]


@pytest.fixture
def site(tmp_path):
    with labelling(tmp_path / 'out', TEXTS) as found:
        found.board.take({'wanted': list(range(40))})
        yield found


def shows(page, text):
    api.expect(page.locator('#text p').first).to_have_text(text)


def press(page, keys, first=0):
    """Presses keys, each once the text of its turn is there."""
    for i, key in enumerate(keys, first):
        shows(page, TEXTS[i])
        page.keyboard.press(key)


def test_one_key_a_label_skip_and_undo(site, open_page):
    page = open_page(site.url)
    press(page, '12s1')
    shows(page, TEXTS[4])
    labels = {site.session.examples[site.session.index[k]].text: label for k, label in site.session.labelled().items()}
    assert labels == {'文本0': '好评', '文本1': '差评', '文本3': '好评'} and len(site.session.skipped()) == 1
    page.keyboard.press('u')
    shows(page, TEXTS[3])
    page.keyboard.press('U')
    shows(page, TEXTS[2])
    page.keyboard.press('1')
    shows(page, TEXTS[3])  # the one that was undone before: this window holds nothing else
    api.expect(page.locator('#counts')).to_have_text('3 labelled, 0 skipped, 40 texts in all.')


def test_keys_label_nothing_while_one_types_or_when_they_are_off(site, open_page):
    page = open_page(site.url)
    shows(page, TEXTS[0])
    page.focus('#search')
    page.keyboard.type('12su')
    page.keyboard.press('Tab')
    page.keyboard.press('Control+1')
    page.uncheck('#keys')
    page.keyboard.press('1')
    page.check('#keys')
    page.keyboard.press('1')
    shows(page, TEXTS[1])
    assert len(site.session.labelled()) == 1


def test_two_windows_see_one_state_and_no_text_is_lost_or_doubled(site, open_page):
    one, two = open_page(site.url), open_page(site.url)
    shows(one, TEXTS[0])
    shows(two, TEXTS[1])
    for i in range(12):  # in turn: each has its next text before the other one answers
        page = (one, two)[i % 2]
        shows(page, TEXTS[i])
        page.keyboard.press('1')
        shows(page, TEXTS[i + 2])
    for page in (one, two):
        api.expect(page.locator('#counts')).to_have_text('12 labelled, 0 skipped, 40 texts in all.')
        api.expect(page.locator('#texts li')).to_have_count(12)
    assert len(site.session.labelled()) == 12


def test_a_text_that_the_other_window_answered_is_not_answered_again(site, open_page):
    one, two = open_page(site.url), open_page(site.url)
    shows(one, TEXTS[0])
    shows(two, TEXTS[1])
    two.fill('#search', TEXTS[0])
    two.check('#all')
    two.locator('#texts button', has_text=re.compile('文本0')).click()
    shows(two, TEXTS[0])
    one.keyboard.press('1')
    shows(one, TEXTS[2])
    two.keyboard.press('2')
    api.expect(two.get_by_role('alert').first).to_have_text('Another window has answered this text; here is the next.')
    shows(two, TEXTS[1])
    assert site.session.balance() == {'好评': 1, '差评': 0}


def test_an_answer_that_is_not_saved_is_said_and_given_again(site, open_page, monkeypatch):
    page = open_page(site.url)
    shows(page, TEXTS[0])

    def full(number):
        raise OSError(28, 'No space left on device')
    with monkeypatch.context() as patch:
        patch.setattr('os.fsync', full)
        page.keyboard.press('1')
        api.expect(page.locator('#error')).to_have_text(re.compile('Not saved, and it does not count: .*No space left'))
        shows(page, TEXTS[0])
    page.keyboard.press('1')
    shows(page, TEXTS[1])
    assert page.inner_text('#error') == '' and len(site.session.labelled()) == 1


def test_a_server_that_is_gone_is_said_and_the_text_stays(tmp_path, open_page):
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(labelling(tmp_path / 'out', TEXTS))
        site.board.take({'wanted': list(range(40))})
        page = open_page(site.url)
        press(page, '1')
        shows(page, TEXTS[1])
    page.keyboard.press('2')
    api.expect(page.locator('#error')).to_have_text('The server did not answer; your answer is not saved.')
    shows(page, TEXTS[1])
    with labelling(tmp_path / 'out', TEXTS, port=site.port) as again:  # it is back: the same window goes on
        page.keyboard.press('2')
        api.expect(page.locator('#counts')).to_have_text(re.compile('2 labelled'))
        assert again.session.balance() == {'好评': 1, '差评': 1}


def test_markup_is_text_and_a_long_one_scrolls_in_its_box(tmp_path, open_page):
    markup, long = '<img src=x onerror="document.title=1"><script>document.title=2</script> & <b>好</b>', '长' * 10000
    with labelling(tmp_path / 'out', [markup, long]) as site:
        site.board.take({'wanted': [0, 1]})
        page = open_page(site.url)
        shows(page, markup)
        assert page.locator('#text img, #text b, #text script').count() == 0 and page.title() == 'pet_keras label'
        page.keyboard.press('1')
        shows(page, long)
        box = page.locator('#text').bounding_box()
        assert box['height'] < 500 and page.locator('#labels button').first.is_visible()
        api.expect(page.locator('#texts .words')).to_have_text(markup)
        page.keyboard.press('2')
        api.expect(page.locator('#text')).to_have_text('Every text has been answered.')
        assert site.session.balance() == {'好评': 1, '差评': 1}


def test_what_the_model_doubts_comes_first_in_the_list_and_can_be_changed(site, open_page):
    page = open_page(site.url)
    press(page, '111')
    shows(page, TEXTS[3])
    site.guess(p0=.9, p1=.25, p2=.8)
    page.fill('#search', '文本')
    first = page.locator('#texts button').first
    api.expect(first).to_contain_text('文本1')
    api.expect(first).to_contain_text('The model says 差评, 75.0 %')
    first.click()
    shows(page, TEXTS[1])
    api.expect(page.locator('#labels [aria-pressed=true]')).to_contain_text('好评')
    page.keyboard.press('2')
    shows(page, TEXTS[3])
    assert site.session.balance() == {'好评': 2, '差评': 1}


def test_curve_balance_advice_and_the_models_folder_are_shown(site, open_page):
    page = open_page(site.url)
    press(page, '12')
    for n, accuracy in ((10, .6), (20, .75)):
        site.board.take({'estimate': {'labels': n, 'accuracy': accuracy, 'low': accuracy - .1, 'high': accuracy + .1,
                                      'seconds': 1.}})
    api.expect(page.locator('#accuracy')).to_have_text(
        'Cross-validated accuracy 75.0 % (95 % interval 65.0 %–85.0 %) with 20 labels.')
    assert page.get_by_role('img', name='60.0 % with 10 labels, 75.0 % with 20 labels').count() == 1
    assert page.locator('#curve circle').count() == 2
    assert re.sub(r'\s+', ' ', ' '.join(page.locator('#balance li').all_inner_texts())) == '好评 1 差评 1'
    for agreement in (.5, .99, 1., .995):
        site.board.take({'model': {'labels': 2, 'seconds': 1., 'agreement': agreement}})
    api.expect(page.locator('#advice')).to_contain_text('more labels of this kind may change little')
    os.makedirs(os.path.join(site.session.folder, 'model'))
    assert not page.is_visible('#saved')
    page.click('#finish')
    api.expect(page.locator('#saved')).to_contain_text('pet-keras predict --model %s/model' % site.session.folder)


def test_labels_are_typed_and_a_pattern_is_chosen(tmp_path, open_page):
    with labelling(tmp_path / 'out', TEXTS, task=None) as site:
        page = open_page(site.url)
        page.get_by_label('Labels', exact=True).fill('坏词,好评')
        page.keyboard.press('Enter')
        api.expect(page.locator('#error')).to_have_text('坏词 is not in the vocabulary.')
        page.fill('#names', '好评=好,差评=差')
        page.keyboard.press('Enter')
        api.expect(page.locator('.choice').first).to_contain_text('文本0。这是好。')
        page.locator('.choice').nth(1).click()
        page.get_by_role('button', name='Start labelling').click()
        api.expect(page.locator('#labels button')).to_have_count(2)
        assert site.session.task.pattern().string == '[MASK]：{text}'
        page.keyboard.press('1')
        api.expect(page.locator('#counts')).to_have_text(re.compile('1 labelled'))


def test_labels_of_the_command_line_are_filled_in(tmp_path, open_page):
    with labelling(tmp_path / 'out', TEXTS, task=None, words={'好评': ['好'], '其他': ['其他']}) as site:
        page = open_page(site.url)
        api.expect(page.locator('.choice')).to_have_count(2)
        assert page.input_value('#names') == '好评=好,其他'
        page.fill('#own', '{text}。总之[MASK]')
        page.get_by_role('button', name='Start labelling').click()
        api.expect(page.locator('#labels button')).to_have_count(2)
        assert site.session.task.pattern().string == '{text}。总之[MASK]'


def test_it_speaks_both_languages(site, open_page):
    page = open_page(site.url, 'zh-CN')
    api.expect(page.locator('#counts')).to_have_text('已标注 0 条，跳过 0 条，共 40 条文本。')
    assert page.get_attribute('html', 'lang') == 'zh'
    page.get_by_role('button', name='English').click()
    api.expect(page.locator('#counts')).to_have_text('0 labelled, 0 skipped, 40 texts in all.')
    names = page.evaluate('[Object.keys(SAY.zh).sort(), Object.keys(SAY.en).sort()]')
    assert names[0] == names[1]


def test_every_control_has_a_name_and_what_happens_is_said(site, open_page):
    page = open_page(site.url)
    shows(page, TEXTS[0])
    for role, name in (('button', 'Skip'), ('button', 'Undo'), ('checkbox', "Show the model's guess"),
                       ('checkbox', 'Label with single keys'), ('searchbox', 'Find texts'), ('button', '好评'),
                       ('group', 'Labels')):
        assert page.get_by_role(role, name=name).count() == 1, name
    page.get_by_role('button', name='好评').focus()
    page.keyboard.press('Enter')
    api.expect(page.locator('#status')).to_have_text('Labelled 好评. 文本1')
    assert page.evaluate('document.activeElement.dataset.label') == '好评'  # the focus stays
    assert not page.is_visible('#guess')
    site.guess(p1=.875)
    page.keyboard.press('u')
    shows(page, TEXTS[0])
    page.keyboard.press('1')
    shows(page, TEXTS[1])
    page.check('#guesses')
    api.expect(page.locator('#guess')).to_have_text("The model's guess: 好评, 87.5 %")


def test_a_phone_scrolls_in_one_direction(tmp_path, open_page):
    with labelling(tmp_path / 'out', ['w' * 300, '好' * 300]) as site:
        site.board.take({'wanted': [0, 1]})
        page = open_page(site.url, viewport={'width': 320, 'height': 640}, has_touch=True)
        shows(page, 'w' * 300)
        page.get_by_role('button', name='差评').tap()
        shows(page, '好' * 300)
        api.expect(page.locator('#texts li')).to_have_count(1)
        assert page.evaluate('document.documentElement.scrollWidth') <= 320
