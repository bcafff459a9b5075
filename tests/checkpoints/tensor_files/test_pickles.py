"""What a pickle of tensors may say; that nothing of any other runs stands in test_pickles_with_code.py."""
import pickle
import time
from collections import OrderedDict

import pytest

from pet_keras.checkpoints.tensor_files import pickles
from pet_keras.checkpoints.tensor_files.torch_objects import Storage, Tensor
from pet_keras.errors import UserError
from torch_files import call, group, name, ordered, pickled, plain, storage, tensor

FLOATS = storage('0', 6)


def load(opcodes):
    return pickles.load(pickled(opcodes), 0, 'm.bin')[0]


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_values_of_python_s_own_are_read_in_every_protocol(protocol):
    value = {'a': [1, -2, 2 ** 70, 1.5, True, None], 'b': ('x', '词', (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
             'c': {}, 'd': [], 3: 'x' * 300, 'e': 65536}
    value['again'] = value['a']
    found, storages, end = pickles.load(b'before' + pickle.dumps(value, protocol) + b'after', 6, 'm.bin')
    assert found == value and storages == {} and end == 6 + len(pickle.dumps(value, protocol))
    assert found['again'] is found['a']


def test_a_state_dict_is_read_with_its_storages():
    data = pickled(ordered(w=tensor(FLOATS, (2, 3)), s=call(name('torch', 'Size'), plain((2, 3)))))
    found, storages, _ = pickles.load(data, 0, 'm.bin')
    assert found == {'w': Tensor(Storage('0', 'float32', 6), 'float32', 0, (2, 3), (3, 1)), 's': (2, 3)}
    assert storages == {'0': Storage('0', 'float32', 6)}


def test_an_ordered_dict_of_pairs_is_read_as_python_2_wrote_it():
    assert load(call(name('collections', 'OrderedDict'), plain([['a', 1], ['b', 2]]))) == {'a': 1, 'b': 2}


def rebuild(function, *arguments):
    return call(name('torch._utils', function), *arguments)


def test_each_of_torch_s_functions_makes_its_tensor():
    shape = [plain(0), plain((2,)), plain((1,))]
    wanted = Tensor(Storage('0', 'float32', 6), 'float32', 0, (2,), (1,))
    assert load(rebuild('_rebuild_tensor', FLOATS, *shape)) == wanted
    tail = [plain(False), plain(None)]
    v2 = rebuild('_rebuild_tensor_v2', FLOATS, *shape, *tail)
    assert load(v2) == load(rebuild('_rebuild_parameter', v2, *tail)) == wanted
    bare = storage('0', 24, 'UntypedStorage', 'torch.storage')
    assert load(rebuild('_rebuild_tensor_v3', bare, *shape, *tail, name('torch', 'bfloat16'))) == Tensor(
        Storage('0', None, 24), 'bfloat16', 0, (2,), (1,))


WRONG = {
    'beyond its storage': tensor(FLOATS, (7,)),
    'offset beyond': tensor(FLOATS, (2, 3), offset=1),
    'empty, offset beyond': tensor(FLOATS, (0,), offset=7),
    'strides beyond': tensor(FLOATS, (2, 3), (4, 1)),
    'many of few': tensor(FLOATS, (10 ** 6, 10 ** 6), (0, 0)),
    'negative shape': tensor(FLOATS, (-1,), (1,)),
    'negative stride': tensor(FLOATS, (2,), (-1,)),
    'negative offset': tensor(FLOATS, (2,), offset=-1),
    'fewer strides': tensor(FLOATS, (2, 3), (1,)),
    'shape of halves': tensor(FLOATS, (1.5,), (1,)),
    'shape of bools': tensor(FLOATS, (True,), (1,)),
    'shape of no tuple': rebuild('_rebuild_tensor', FLOATS, plain(0), plain('ab'), plain((1,))),
    'no storage': rebuild('_rebuild_tensor', plain('0'), plain(0), plain((1,)), plain((1,))),
    'bare storage without type': tensor(storage('0', 6, 'UntypedStorage'), (1,)),
    'a type for its storage': rebuild('_rebuild_tensor', name('torch', 'FloatStorage'), plain(0), plain((1,)), plain((1,))),
    'a type that is not its storage\'s': rebuild('_rebuild_tensor_v3', FLOATS, plain(0), plain((1,)), plain((1,)),
                                                 plain(False), plain(None), name('torch', 'int32')),
    'too few arguments': rebuild('_rebuild_tensor_v2', FLOATS),
    'parameter of no tensor': rebuild('_rebuild_parameter', plain(1), plain(True), plain(None)),
    'two types of a storage': group(FLOATS, storage('0', 6, 'IntStorage')),
    'two sizes of a storage': group(FLOATS, storage('0', 7)),
    'negative storage': storage('0', -1),
    'reference to no storage': plain(('module', 1, 2, 3, 4)) + b'Q',
    'reference of no tuple': plain('storage') + b'Q',
    'reference by line': b'P0\n',
    'call of a text': plain('os.system') + plain(('x',)) + b'R',
    'call of a type': name('torch', 'FloatStorage') + b')R',
    'arguments of no tuple': name('torch', 'Size') + plain([1]) + b'R',
    'attributes of a function': name('collections', 'OrderedDict') + plain({'call': 1}) + b'b',
    'attributes of a type': name('torch', 'FloatStorage') + plain({'dtype': 1}) + b'b',
    'item of a function': name('collections', 'OrderedDict') + plain('call') + plain(1) + b's',
    'append to a tensor': tensor(FLOATS, (1,)) + plain(1) + b'a',
    'key without value': b'}(' + plain('a') + b'u',
    'key of a tuple': b'}(' + plain((1, 2)) + plain(1) + b'u',
    'key of a list': b'}(](' + plain(1) + b'u',
    'a size that is none': call(name('torch', 'Size'), plain('abc')),
    'nothing': b'', 'only a mark': b'(0', 'no mark': plain(1) + b't', 'no memo': b'h\x05', 'name of numbers': b'K\1K\2\x93',
    'a set': b'\x8f', 'a bytearray': b'\x96' + (2 ** 62).to_bytes(8, 'little'), 'a buffer': b'\x97',
    'a text longer than the file': b'\x8d' + (2 ** 62).to_bytes(8, 'little') + b'abc',
    'a number of many digits': b'I' + b'9' * 10 ** 5 + b'\n',
}


@pytest.mark.parametrize('what', WRONG)
def test_what_torch_would_not_write_is_refused(what):
    with pytest.raises(UserError, match='^m.bin is (damaged|refused): '):
        load(WRONG[what])


def test_what_is_not_known_is_named_and_the_way_out():
    with pytest.raises(UserError) as e:
        load(name('numpy.core.multiarray', 'scalar'))
    message = str(e.value)
    assert message.startswith('m.bin is refused') and 'numpy.core.multiarray.scalar' in message
    assert 'Nothing of it ran' in message and 'safetensors' in message and '\n' not in message


def test_pairs_become_one_dict_however_often_they_are_used():
    again = name('collections', 'OrderedDict') + b'h\0\x85R'
    assert load(b'](' + plain(['a', 1]) + b'eq\0' + again + again + b'\x86') == ({'a': 1}, {})


BOMBS = {
    'deep lists': b']' * 10 ** 5 + b'a' * (10 ** 5 - 1),
    'deep tuples': b')' + b'\x85' * 10 ** 5,
    'hash of pairs of pairs': b'})' + b'2\x86' * 100 + b'Ns',
    'pairs of pairs in an error': rebuild('_rebuild_tensor', FLOATS, plain(0), b')' + b'2\x86' * 100, plain(())),
    'pairs of pairs as a size': call(name('torch', 'Size'), b')' + b'2\x86' * 100),
    'memo of four billion': b'N' + b'r\xff\xff\xff\xff',
    'copies of a long list': (b'](' + b'N' * 10 ** 6 + b'eq\0' +
                              (name('torch', 'Size') + b'h\0\x85R') * 1000),
    'copies of many pairs': (b'](' + b''.join(plain([n, n]) for n in range(10 ** 4)) + b'eq\0' +
                             (name('collections', 'OrderedDict') + b'h\0\x85R') * 1000),
}


@pytest.mark.parametrize('what', BOMBS)
def test_a_small_pickle_takes_neither_the_time_nor_the_memory_of_a_large_one(what):
    start = time.monotonic()
    try:
        pickles.load(pickled(BOMBS[what]), 0, 'm.bin')
    except UserError:
        pass
    assert time.monotonic() - start < 20


def test_the_pickles_of_python_s_ordered_dict_are_those_read_here():
    value = OrderedDict([('a', 1), ('b', 2)])
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickles.load(pickle.dumps(value, protocol), 0, 'm.bin')[0] == value
