"""`pet-keras label` as people start it: a process, killed and started again, and what is wrong with the command."""
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from chromium import chromium
from six_reviews import TEXTS, write

from pet_keras.classifiers.loading import load
from pet_keras.cli.main import main
from pet_keras.data.reading import read_examples
from pet_keras.classifiers.active.strategies import STRATEGIES

try:
    import fastapi  # noqa: F401
    import prometheus_client  # noqa: F401
    import uvicorn  # noqa: F401
except ImportError:
    fastapi = None
with_extra = pytest.mark.skipif(fastapi is None, reason='the extra [serve] is not installed')
PILE = ['房间很干净，第%d间' % i if i % 3 else '又吵又脏，第%d间' % i for i in range(30)]


class Labelling(object):
    """`pet-keras label` in a process of its own; `url`, where its page is."""
    def __init__(self, *args):
        self.process = subprocess.Popen([sys.executable, '-m', 'pet_keras', 'label', *map(str, args), '--no-browser'],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')
        self.said = self.process.stdout.readline()
        self.url = (re.findall(r'http://\S+', self.said) or [None])[0]

    def end(self, number):
        """Ends it by a signal: (exit status, standard error)."""
        self.process.send_signal(number)
        _, error = self.process.communicate(timeout=60)
        return self.process.returncode, error

    def children(self):
        with open('/proc/%d/task/%d/children' % (self.process.pid, self.process.pid)) as reader:
            return list(map(int, reader.read().split()))


@pytest.fixture
def begin():
    started = []

    def call(*args):
        started.append(Labelling(*args))
        return started[-1]
    yield call
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


@pytest.fixture
def page():
    with chromium() as browser:
        found = browser.new_context(locale='en-US').new_page()
        found.set_default_timeout(60000)
        yield found


def _is_running(pid):
    try:
        with open('/proc/%d/stat' % pid) as reader:
            return reader.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def label_until(page, n):
    """Labels texts by keys, each when it is shown, until so many have a label."""
    from playwright.sync_api import expect
    while (done := page.evaluate('state.labelled')) < n:
        key = '1' if page.inner_text('#text p').startswith('房间') else '2'
        page.keyboard.press(key)
        expect(page.locator('#counts')).to_have_text(re.compile('^%d labelled' % (done + 1)))


@with_extra
def test_thirty_texts_are_labelled_the_server_is_killed_meanwhile_and_the_model_predicts(begin, page, tiny, tmp_path):
    texts, out = write(tmp_path / 'pile.txt', '\n'.join(PILE)), tmp_path / 'out'
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    args = (texts, '--labels', '好评=好,差评=差', '--pattern', '住得真[MASK]。{text}', '--checkpoint', tiny, '--out', out,
            '--every', 5, '--port', port)
    first = begin(*args)
    page.goto(first.url)
    page.wait_for_selector('#labels button:enabled')
    label_until(page, 17)
    children = first.children()
    assert children and first.end(signal.SIGKILL)[0] == -9
    end = time.time() + 20
    while any(map(_is_running, children)):  # a learner does not outlive its page
        assert time.time() < end
        time.sleep(.05)
    second = begin(*args)
    assert second.said.startswith('30 texts, 17 labelled')
    label_until(page, 30)  # in the same window
    page.click('#finish')
    page.wait_for_selector('#saved:visible', timeout=300000)  # seconds, where nothing else runs
    assert 'trained with 30 labels' in page.inner_text('#saved') and page.inner_text('#error') == ''
    status, error = second.end(signal.SIGINT)
    assert status == 0 and 'learned from 30 of them' in error and '30 labels are in' in error
    found = read_examples(str(out / 'labels.tsv'))
    assert sorted(e.text for e in found) == sorted(PILE)
    assert {(e.text[0], e.label) for e in found} == {('房', '好评'), ('又', '差评')}
    with open(str(out / 'answers.jsonl'), encoding='utf-8') as reader:
        assert len({json.loads(line)['id'] for line in reader}) == 30
    assert main(['predict', '--model', str(out / 'model'), texts, '--out', str(tmp_path / 'answers')]) == 0
    model = load(str(out / 'model'))
    assert model.trained_on['labelled'] == 30 and model.pattern.string == '住得真[MASK]。{text}'
    third = begin(*args)
    assert third.said.startswith('30 texts, 30 labelled')
    urllib.request.urlopen(third.url).close()  # it serves: until then a signal ends it as any process
    assert third.end(signal.SIGTERM)[0] == 0


@with_extra
def test_a_learner_that_cannot_begin_ends_the_command_with_one_line(begin, tmp_path):
    pile = write(tmp_path / 'pile.txt', '\n'.join(TEXTS))
    one = begin(pile, '--task', 'sentiment', '--checkpoint', tmp_path / 'none', '--out', tmp_path / 'out', '--port', 0)
    _, error = one.process.communicate(timeout=120)
    assert one.process.returncode == 1
    assert error.startswith('pet-keras: error: ') and str(tmp_path / 'none') in error and error.count('\n') == 1


@with_extra
def test_two_commands_do_not_work_in_one_folder(begin, fails, tiny, tmp_path):
    pile = write(tmp_path / 'pile.txt', '\n'.join(TEXTS))
    args = pile, '--task', 'sentiment', '--checkpoint', tiny, '--out', str(tmp_path / 'out'), '--port', '0'
    begin(*args)
    assert 'out is in use' in fails('label', *args)


@with_extra
def test_a_port_in_use_is_said(fails, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        said = fails('label', write(tmp_path / 'a.txt', '好\n'), '--task', 'sentiment', '--out', tmp_path / 'out',
                     '--port', port)
    assert 'port %d' % port in said and not (tmp_path / 'out').exists()


@with_extra
@pytest.mark.parametrize('content, args, said', [
    ('', [], 'pile.tsv holds no example'), ('好\t1\n坏\t1\t2\n', [], 'pile.tsv, line 2'),
    ('好\n', ['--labelled', 'given.tsv'], 'given.tsv, line 1'), ('好\n', ['--strategy', 'best'], 'No --strategy best'),
    ('好\n', ['--every', '0'], '--every'), ('好\n', ['--pattern', 'P9'], "no pattern 'P9'")])
def test_what_is_wrong_with_files_or_options_is_one_line(fails, tmp_path, monkeypatch, content, args, said):
    monkeypatch.chdir(tmp_path)
    write('pile.tsv', content)
    write('given.tsv', '好\t中评\n')
    assert said in fails('label', 'pile.tsv', '--task', 'sentiment', '--out', 'out', '--port', '0', *args)


@with_extra
def test_labels_that_are_none_or_have_no_task_are_said(fails, tmp_path):
    pile = write(tmp_path / 'a.txt', '好\n')
    args = 'label', pile, '--out', tmp_path / 'out', '--port', '0'
    assert 'give two or more' in fails(*args, '--labels', '好评')
    assert '--labelled has labels of a task' in fails(*args, '--labelled', pile)


@with_extra
def test_a_folder_that_was_begun_with_other_labels_is_refused(fails, tmp_path):
    from pet_keras.serving.labelling.session import Session
    from pet_keras.serving.labelling.tasks import make_task
    session = Session(str(tmp_path / 'out'), [])
    session.use(make_task({'好评': ['好评'], '差评': ['差评']}, '[MASK]：{text}'))
    session.close()
    args = 'label', write(tmp_path / 'a.txt', '好\n'), '--out', tmp_path / 'out', '--port', '0'
    assert 'begun with the labels 好评, 差评, not 投诉, 咨询' in fails(*args, '--labels', '投诉,咨询')
    assert 'begun with the labels 好评, 差评, not 正面, 负面' in fails(*args, '--task', 'sentiment')


def test_without_the_extra_the_error_says_what_to_type(fails, without_extra):
    assert 'pip install "pet-keras[serve]"' in fails('label', 'a.txt', '--task', 'sentiment', '--out', 'out')


def test_help_names_every_flag_and_strategy(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['label', '--help'])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and 'pet-keras label reviews.txt --task sentiment' in out
    for word in ('--task', '--labels', '--labelled', '--out', '--strategy', '--every', '--train', '--port',
                 '--no-browser', '--checkpoint', '--pattern', *STRATEGIES):
        assert word in re.sub(r'\s+', '', out)  # argparse breaks lines at hyphens
