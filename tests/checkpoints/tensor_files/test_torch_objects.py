import pytest

from pet_keras.checkpoints.tensor_files.torch_objects import KNOWN, Function, Storage, Tensor, Type, put


def test_extent_is_what_a_view_spans():
    storage = Storage('0', 'float32', 100)
    assert Tensor(storage, 'float32', 0, (2, 3), (3, 1)).extent == 6
    assert Tensor(storage, 'float32', 5, (2, 3), (10, 2)).extent == 15
    assert Tensor(storage, 'float32', 0, (), ()).extent == 1
    assert Tensor(storage, 'float32', 0, (5, 0), (1, 1)).extent == 0


def test_bytes_of_a_storage_are_those_of_its_type():
    assert [Storage('0', dtype, 6).nbytes for dtype in ('float64', 'bfloat16', 'bool', None)] == [48, 12, 6, 6]


def test_what_a_pickle_may_call_is_these_eight():
    assert sorted(name for name, what in KNOWN.items() if type(what) is not Type) == [
        'collections OrderedDict', 'torch Size', 'torch device', 'torch._utils _rebuild_parameter',
        'torch._utils _rebuild_parameter_with_state', 'torch._utils _rebuild_tensor',
        'torch._utils _rebuild_tensor_v2', 'torch._utils _rebuild_tensor_v3']
    assert all(type(what) in (Type, Function) for what in KNOWN.values())


@pytest.mark.parametrize('key', [(1,), [], {}, object()])
def test_keys_are_plain(key):
    with pytest.raises(ValueError):
        put({}, key, 1)
