"""Pickles that run code. Each does so in Python's own unpickler, which shows that it would, and in none of ours."""
import copyreg
import functools
import io
import os
import pickle

import pytest

from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.errors import UserError
from torch_files import A, call, name, ordered, pickled, plain, storage, tensor, write_plain, write_zip

EXTENSION = 0xf0


class Reduced(object):
    """Pickled, it is what its `__reduce__` says: a call."""
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Opened(object):
    """A class whose `__setstate__` makes a file."""
    def __setstate__(self, state):
        open(state['path'], 'w').close()


def opened(path):
    value = Opened()
    value.path = path
    return value


def by_protocol(make):
    return [lambda path, protocol=protocol: pickle.dumps(make(path), protocol)
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]


def short_text(text):
    return b'\x8c' + bytes([len(text)]) + text.encode()


# each makes, of a path, the bytes of a pickle that creates a file there
ATTACKS = {'os.system, protocol %d' % n: make for n, make in enumerate(
    by_protocol(lambda path: Reduced(os.system, 'echo > %s' % path)))}
ATTACKS.update({'eval, protocol %d' % n: make for n, make in enumerate(
    by_protocol(lambda path: Reduced(eval, 'open(%r, "w").close()' % path)))})
ATTACKS.update({'__setstate__, protocol %d' % n: make for n, make in enumerate(by_protocol(opened))})
ATTACKS.update({
    'deep inside': lambda path: pickle.dumps({'a': [({'b': Reduced(os.system, 'echo > %s' % path)},)]}, 2),
    'INST': lambda path: b"(" + plain('echo > %s' % path) + b'ios\nsystem\n.',
    'OBJ': lambda path: b'(cos\nsystem\n' + plain('echo > %s' % path) + b'o.',
    'NEWOBJ and BUILD': lambda path: pickled(
        name('functools', 'partial') + name('os', 'getpid') + b'\x85\x81' + b'(' + name('os', 'system') +
        plain(('echo > %s' % path,)) + b'}Ntb' + b')R'),
    'a name with dots': lambda path: (b'\x80\x04' + short_text('os') + short_text('path.os.system') + b'\x93' +
                                      plain('echo > %s' % path) + b'\x85R.'),
    'a registered extension': lambda path: pickled(b'\x82' + bytes([EXTENSION]) + plain('echo > %s' % path) + b'\x85R'),
    'an iterator of calls': lambda path: pickled(
        name('collections', 'OrderedDict') +
        call(name('builtins', 'map'), name('os', 'system'), plain(['echo > %s' % path])) + b'\x85R'),
    'after tensors': lambda path: pickled(
        b'](' + call(name('collections', 'OrderedDict')) + call(name('os', 'system'), plain('echo > %s' % path)) + b'e'),
})


@pytest.fixture(autouse=True)
def extension():
    copyreg.add_extension('os', 'system', EXTENSION)
    yield
    copyreg.remove_extension('os', 'system', EXTENSION)


@pytest.fixture
def made(tmp_path):
    return str(tmp_path / 'made')


LAYOUTS = {
    'a bare pickle': lambda path, attack: path.write_bytes(attack),
    'zip': lambda path, attack: write_zip(path, attack),
    'plain': lambda path, attack: write_plain(path, attack),
    'plain, as magic number': lambda path, attack: write_plain(path, pickled(b'}'), magic=attack),
    'plain, as version': lambda path, attack: write_plain(path, pickled(b'}'), version=attack),
    'plain, as facts': lambda path, attack: write_plain(path, pickled(b'}'), facts=attack),
    'plain, as keys': lambda path, attack: write_plain(path, pickled(b'}'), keys=attack),
}


@pytest.mark.parametrize('attack', ATTACKS)
def test_python_s_own_unpickler_would_run_it(attack, made):
    try:
        pickle.Unpickler(io.BytesIO(ATTACKS[attack](made))).load()
    except Exception:
        pass  # of what comes after it
    assert os.path.exists(made)


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('attack', ATTACKS)
def test_nothing_runs_and_the_file_is_refused(attack, layout, made, tmp_path):
    LAYOUTS[layout](tmp_path / 'pytorch_model.bin', ATTACKS[attack](made))
    with pytest.raises(UserError, match='pytorch_model.bin is refused') as e:
        open_tensors(str(tmp_path / 'pytorch_model.bin'))
    assert not os.path.exists(made)
    assert 'Nothing of it ran' in str(e.value)


@pytest.mark.parametrize('write', [write_zip, write_plain])
def test_code_beside_sound_tensors_is_refused(write, made, tmp_path):
    inside = plain('echo > %s' % made)
    for attack in (call(name('os', 'system'), inside), call(name('torch.storage', '_load_from_bytes'), inside)):
        path = write(tmp_path / 'm.bin', pickled(ordered(w=tensor(storage('0', 6), (2, 3)), x=attack)), {'0': A})
        with pytest.raises(UserError, match='os.system|torch.storage._load_from_bytes'):
            open_tensors(path)
    assert not os.path.exists(made)


def test_a_pickled_module_of_one_s_own_is_refused_by_name(tmp_path):
    path = write_zip(tmp_path / 'm.bin', pickle.dumps(functools.partial(print), 2))
    with pytest.raises(UserError, match='functools.partial'):
        open_tensors(path)
