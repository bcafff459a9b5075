"""What the application of a session answers."""
import os
import subprocess
import sys
import time

import pytest

for _name in ('fastapi', 'uvicorn', 'prometheus_client'):
    pytest.importorskip(_name, reason='the extra [serve] is not installed')

from labelling_site import labelling  # noqa: E402

from pet_keras.data.reading import read_examples  # noqa: E402

TEXTS = ['好吃', '难吃', '一般', '再来', '不来了']


@pytest.fixture
def site(tmp_path):
    with labelling(tmp_path / 'out', TEXTS) as found:
        yield found


def test_the_process_of_the_page_loads_no_tensorflow():
    code = ('import sys\nimport pet_keras.serving.labelling.app, pet_keras.serving.labelling.background\n'
            'import pet_keras.serving.labelling.desk, pet_keras.cli.label\nprint("tensorflow" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, encoding='utf-8').stdout == 'False\n'


def test_a_text_is_answered_and_the_next_is_shown(site):
    site.board.take({'wanted': [2, 0]})
    first = site.next()
    assert first == {'id': site.session.ids[2], 'texts': ['一般'], 'label': None, 'guess': None}
    status, found = site.answer(first, '好评')
    assert status == 200 and found['text']['texts'] == ['好吃'] and found['state']['labelled'] == 1
    assert found['state']['balance'] == {'好评': 1, '差评': 0} and found['state']['last'] == first['id']
    assert site.learner.sent[-1] == {'answers': {2: '好评'}, 'done': [2], 'finish': False}


def test_a_skipped_text_is_not_shown_again_and_teaches_nothing(site):
    first = site.next()
    site.answer(first, '')
    seen = []
    for _ in TEXTS[1:]:
        seen.append(site.next())
        site.answer(seen[-1], '差评')
    assert first['id'] not in {text['id'] for text in seen} and site.next() is None
    place = site.session.index[first['id']]
    assert place in site.learner.sent[-1]['done'] and place not in site.learner.sent[-1]['answers']


def test_an_undone_text_is_shown_again(site):
    first = site.next()
    site.answer(first, '好评')
    _, found = site.ask('POST', '/v1/undo', {'window': 'w', 'id': first['id']})
    assert found['text'] == first and found['state']['labelled'] == 0 and found['state']['last'] is None
    assert site.next() == first and site.next('v') != first


def test_the_second_of_two_answers_to_one_text_is_refused_and_the_first_stays(site):
    first = site.next()
    assert site.answer(first, '好评', 'v')[0] == 200
    status, found = site.answer(first, '差评', 'w')
    assert status == 409 and 'another window' in found['error']['message']
    assert site.session.said(first['id']) == '好评'
    assert site.ask('POST', '/v1/undo', {'window': 'w', 'id': site.next('w')['id']})[0] == 409


def test_an_answer_can_be_changed_by_who_saw_it(site):
    first = site.next()
    site.answer(first, '好评')
    assert site.answer(dict(first, label='好评'), '差评')[0] == 200
    assert site.session.said(first['id']) == '差评' and site.session.balance() == {'好评': 0, '差评': 1}


def test_what_a_full_disk_does_not_take_is_said_and_does_not_count(site, monkeypatch):
    first = site.next()

    def full(number):
        raise OSError(28, 'No space left on device')
    with monkeypatch.context() as patch:
        patch.setattr('os.fsync', full)
        status, found = site.answer(first, '好评')
    assert status == 507 and 'not saved' in found['error']['message'] and 'No space' in found['error']['message']
    assert site.session.labelled() == {} and site.next() == first
    assert site.answer(first, '好评')[0] == 200


@pytest.mark.parametrize('path, body, status', [
    ('/v1/answer', {'window': 'w', 'id': 'none', 'label': '好评'}, 404), ('/v1/undo', {'window': 'w', 'id': 'x'}, 404),
    ('/v1/answer', {'window': 'w'}, 422), ('/v1/next', {'window': ''}, 422), ('/v1/next', {'other': 1}, 422),
    ('/v1/task', {'labels': 'a,b', 'pattern': '[MASK]{text}'}, 409), ('/v1/finish', {'window': 'w'}, 422),
    ('/v1/next', b'{"window": "w"}', 415)])
def test_what_does_not_fit_is_refused(site, path, body, status):
    before = site.session.labelled()
    assert site.ask('POST', path, body)[0] == status and site.session.labelled() == before


def test_an_answer_that_no_label_has_is_refused(site):
    status, found = site.answer(site.next(), '中评')
    assert status == 422 and '中评' in found['error']['message']


def test_other_sites_get_nothing_and_change_nothing(site):
    first = site.next()
    body = ('{"window": "w", "id": "%s", "label": "好评"}' % first['id']).encode()
    for headers in ({'Content_Type': 'text/plain'}, {'Content_Type': 'application/x-www-form-urlencoded'},
                    {'Content_Type': 'application/json', 'Host': 'evil.example'}):
        assert site.ask('POST', '/v1/answer', body, **headers)[0] in (403, 415, 422)
    assert site.ask('GET', '/v1/texts', Host='evil.example:80')[0] == 403
    assert site.session.labelled() == {}


def test_the_list_begins_with_what_the_model_doubts_most(site):
    site.board.take({'wanted': [0, 1, 2, 3]})
    for label in ('好评', '好评', '差评', '差评'):
        site.answer(site.next(), label)
    site.guess(p0=.9, p1=.4, p2=.9)
    _, found = site.ask('GET', '/v1/texts?labelled=true')
    assert [text['texts'][0] for text in found['texts']] == ['一般', '难吃', '再来', '好吃']
    assert [text['doubtful'] for text in found['texts']] == [True, True, False, False] and found['doubtful'] == 2
    assert found['total'] == 4
    _, found = site.ask('GET', '/v1/texts')
    assert found['total'] == 5 and found['texts'][-1]['texts'] == ['不来了'] and found['texts'][-1]['label'] is None


def test_texts_are_searched_whatever_the_case(tmp_path):
    with labelling(tmp_path / 'out', ['Good 好', 'bad', 'GOOD'] + ['x%d' % i for i in range(60)]) as site:
        _, found = site.ask('GET', '/v1/texts?search=gOOd')
        assert [text['texts'][0] for text in found['texts']] == ['Good 好', 'GOOD']
        _, found = site.ask('GET', '/v1/texts?search=x')
        assert found['total'] == 60 and len(found['texts']) == 50
        assert len(site.ask('GET', '/v1/texts?search=x&start=50')[1]['texts']) == 10


def test_a_task_is_made_of_labels_and_a_proposed_pattern(tmp_path):
    with labelling(tmp_path / 'out', TEXTS, task=None) as site:
        assert site.ask('POST', '/v1/next', {'window': 'w'})[1]['text'] is None
        assert site.ask('POST', '/v1/proposals', {'labels': '好评'})[0] == 422
        assert site.ask('POST', '/v1/proposals', {'labels': '坏词,好评'})[1]['problem'].startswith('坏词 is not')
        _, found = site.ask('POST', '/v1/proposals', {'labels': '好评=好，差评=差'})
        assert found['proposals'][0] == {'pattern': '{text}。这是[MASK]。', 'bits': .5,
                                         'filled': {'好评': '好吃。这是好。', '差评': '好吃。这是差。'}}
        labels = {'labels': '好评=好,差评=差'}
        assert site.ask('POST', '/v1/task', dict(labels, pattern='{text}'))[0] == 422
        status, found = site.ask('POST', '/v1/task', dict(labels, pattern='[MASK]：{text}'))
        assert status == 200 and found['state']['task']['labels'] == ['好评', '差评']
        assert site.session.task.verbalizer.words == {'好评': ['好'], '差评': ['差']}
        assert site.session.task.name == 'out' and 'task' in site.learner.sent[-2]
        assert site.next()['texts'] == ['好吃'] or site.next() is not None


def test_finishing_asks_for_the_model_and_writes_the_table(site):
    for label in ('好评', '差评'):
        site.answer(site.next(), label)
    status, found = site.ask('POST', '/v1/finish', {'window': 'w'})
    assert status == 200 and not found['state']['finished'] and site.learner.sent[-1]['finish']
    assert os.path.exists(os.path.join(site.session.folder, 'labels.tsv'))
    site.board.take({'model': {'labels': 2, 'seconds': 1., 'agreement': None}})
    assert site.ask('GET', '/v1/state')[1]['state']['finished']
    site.answer(site.next(), '好评')
    assert not site.ask('GET', '/v1/state')[1]['state']['finished']


def test_a_hundred_thousand_texts_are_no_burden(tmp_path):
    path = tmp_path / 'pile.txt'
    path.write_text('\n'.join('第%d条：房间很干净，服务也热情' % i for i in range(100000)), encoding='utf-8')
    begun = time.perf_counter()
    examples = read_examples(str(path), labelled=False)
    with labelling(tmp_path / 'out', examples) as site:
        assert site.next() is not None and time.perf_counter() - begun < 30
        for path in ('/v1/texts?search=99999', '/v1/state?window=w', '/v1/texts?labelled=true'):
            begun = time.perf_counter()
            assert site.ask('GET', path)[0] == 200 and time.perf_counter() - begun < 3
        begun = time.perf_counter()
        for _ in range(5):
            site.answer(site.next(), '好评')
        assert time.perf_counter() - begun < 5
