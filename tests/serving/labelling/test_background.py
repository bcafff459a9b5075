"""The learning process itself: it answers, and ends with its parent."""
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from pet_keras.cloze.task import Task
from pet_keras.data.example import Example
from pet_keras.serving.labelling.background import Background

OPTIONS = {'causal': False, 'pattern': None, 'maxlen': 32, 'precision': 'float32', 'train': 'all', 'strategy': 'mix',
           'every': 5, 'seed': 0, 'settings': {}}
TASK = Task({'P1': '[MASK]满意。{text}'}, {'正面': '很', '负面': '不'})


class Heard(object):
    """Messages, and `wait` for one of a kind."""
    def __init__(self):
        self.messages, self._changed = [], threading.Condition()

    def take(self, message):
        with self._changed:
            self.messages.append(message)
            self._changed.notify()

    def wait(self, kind, value=None):
        with self._changed:
            assert self._changed.wait_for(lambda: any(kind in m and value in (None, m[kind]) for m in self.messages),
                                          600), self.messages  # seconds where nothing else runs
        return [m[kind] for m in self.messages if kind in m]


@pytest.fixture
def begin(tmp_path):
    started = []

    def call(checkpoint):
        heard = Heard()
        started.append(Background(heard.take, [Example('好%d' % i) for i in range(8)], str(tmp_path),
                                  dict(OPTIONS, checkpoint=checkpoint)))
        return started[-1], heard
    yield call
    for one in started:
        one.close()


def test_it_does_all_that_it_is_told_without_being_asked_again(begin, still):
    learner, heard = begin(still)
    learner.send({'task': TASK})
    heard.wait('doing', 'resting')  # one message, and all that follows of it
    assert sum(len(places) for places, _ in heard.wait('guesses')) == 8
    os.kill(learner.pid, signal.SIGKILL)
    assert heard.wait('ended') == [-9]
    learner.send({'task': TASK})  # into nothing


def test_what_it_cannot_open_is_said_before_it_ends(begin, tmp_path):
    learner, heard = begin(str(tmp_path / 'none'))
    learner.send({'task': TASK})
    assert 'none' in heard.wait('failed')[0] and heard.wait('ended') == [0]


def test_it_ends_with_its_parent_however_that_ends(tmp_path):
    code = ('import os, signal, sys\nfrom pet_keras.data.example import Example\n'
            'from pet_keras.serving.labelling.background import Background\n'
            'if __name__ == "__main__":\n'
            '    print(Background(print, [Example("a")], ".", {}).pid, flush=True)\n'
            '    os.kill(os.getpid(), signal.SIGKILL)\n')
    script = tmp_path / 'parent.py'
    script.write_text(code)
    pid = int(subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE).stdout)
    end = time.time() + 120
    while os.path.exists('/proc/%d' % pid):
        with open('/proc/%d/stat' % pid) as reader:
            if reader.read().rsplit(')', 1)[1].split()[0] == 'Z':  # ended; nobody has asked how
                break
        assert time.time() < end
        time.sleep(.05)
