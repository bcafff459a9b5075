import zipfile
import zlib

import numpy as np
import pytest

from damage import cuts_are_refused, flips_are_survived, read_all
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.checkpoints.tensor_files.torch_file import TorchFile
from pet_keras.errors import UserError
from torch_files import (
    A, B, SMALL, name, ordered, pickled, plain, storage, tensor, write_plain, write_small, write_zip)

LAYOUTS = pytest.mark.parametrize('write', [write_zip, write_plain])


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'pytorch_model.bin')


@LAYOUTS
def test_tensors_are_read_from_both_layouts(write, path):
    file = open_tensors(write_small(write, path))
    assert type(file) is TorchFile and file.path == path
    assert file.shapes == {'a': (2, 3), 'b': (3,)} and file.dtypes == {'a': 'float32', 'b': 'int64'}
    np.testing.assert_array_equal(file.read('a'), A)
    np.testing.assert_array_equal(file.read('b'), B)


@LAYOUTS
@pytest.mark.parametrize('of, dtype', [
    ('DoubleStorage', 'float64'), ('HalfStorage', 'float16'), ('BFloat16Storage', 'bfloat16'),
    ('IntStorage', 'int32'), ('ShortStorage', 'int16'), ('CharStorage', 'int8'), ('ByteStorage', 'uint8'),
    ('BoolStorage', 'bool')])
def test_every_type_is_read(write, path, of, dtype):
    numbers = np.array([1, 0, 1], {'bfloat16': 'float32', 'bool': 'uint8'}.get(dtype, dtype))
    stored = (numbers.view('uint32') >> 16).astype('uint16') if dtype == 'bfloat16' else numbers
    file = open_tensors(write(path, pickled(ordered(x=tensor(storage('0', 3, of), (3,)))), {'0': stored}))
    assert file.dtypes == {'x': dtype} and file.read('x').tolist() == [1, 0, 1]
    assert file.raw('x').tobytes() == stored.tobytes()


@LAYOUTS
def test_views_of_one_storage_are_read(write, path):
    whole = np.arange(24, dtype='float32')
    one = storage('0', 24)
    file = open_tensors(write(path, pickled(ordered(
        all=tensor(one, (4, 6)), turned=tensor(one, (6, 4), (1, 6)), part=tensor(one, (2, 2), (12, 3), offset=5),
        number=tensor(one, (), offset=7), empty=tensor(one, (3, 0)))), {'0': whole}))
    np.testing.assert_array_equal(file.read('all'), whole.reshape(4, 6))
    np.testing.assert_array_equal(file.read('turned'), whole.reshape(4, 6).T)
    assert file.read('part').tolist() == [[5, 8], [17, 20]]
    assert file.read('number') == 7 and file.read('number').shape == () and file.read('empty').shape == (3, 0)


@LAYOUTS
def test_a_tensor_is_a_view_of_the_file_not_a_copy(write, path):
    one = storage('0', 10 ** 6, 'ByteStorage')  # bytes stand at a multiple of their size wherever they stand
    turned = tensor(one, (1000, 1000), (1, 1000))
    file = open_tensors(write(path, pickled(ordered(x=tensor(one, (1000, 1000)), turned=turned)),
                              {'0': np.zeros(10 ** 6, 'uint8')}))
    assert not file.read('x').flags.owndata and not file.read('x').flags.writeable
    assert file.read('turned').flags.c_contiguous


@pytest.mark.parametrize('order', ['little', 'big'])
def test_the_byte_order_of_a_zip_is_followed(path, order):
    swapped = {'0': A.astype(A.dtype.newbyteorder(order)), '1': B.astype(B.dtype.newbyteorder(order))}
    read = read_all(write_zip(path, SMALL, swapped, order=order))
    np.testing.assert_array_equal(read['a'], A)
    np.testing.assert_array_equal(read['b'], B)


def test_a_compressed_zip_is_read(path):
    read = read_all(write_small(write_zip, path, compression=zipfile.ZIP_DEFLATED))
    np.testing.assert_array_equal(read['a'], A)


@LAYOUTS
@pytest.mark.parametrize('key', ['state_dict', 'model', 'module'])
def test_a_state_dict_inside_a_training_s_is_found(write, path, key):
    inside = ordered(w=tensor(storage('0', 6), (2, 3)))
    outside = b'}(' + plain('epoch') + plain(3) + plain(key) + inside + plain('optimizer') + plain({'lr': 0.1}) + b'u'
    assert open_tensors(write(path, pickled(outside), {'0': A})).shapes == {'w': (2, 3)}


@LAYOUTS
def test_what_is_no_tensor_is_left_out(write, path):
    items = ordered(w=tensor(storage('0', 6), (2, 3)), epoch=plain(3), note=plain('x'))
    assert list(open_tensors(write(path, pickled(items), {'0': A})).shapes) == ['w']


def test_the_name_of_dataparallel_is_dropped_where_all_have_it(path):
    one = tensor(storage('0', 6), (2, 3))
    every = write_zip(path, pickled(ordered(**{'module.v': one, 'module.w': one})), {'0': A})
    assert list(open_tensors(every).shapes) == ['v', 'w']
    some = write_zip(path, pickled(ordered(**{'module.v': one, 'w': one})), {'0': A})
    assert list(open_tensors(some).shapes) == ['module.v', 'w']


@LAYOUTS
@pytest.mark.parametrize('opcodes', [b'}', plain({'epoch': 3}), plain([1, 2]), plain('x'),
                                     b'}(K\1' + tensor(storage('0', 6), (2, 3)) + b'u'])
def test_a_file_without_named_tensors_is_told(write, path, opcodes):
    with pytest.raises(UserError, match='holds no tensors by name'):
        open_tensors(write(path, pickled(opcodes), {'0': A} if b'storage' in opcodes else {}))


@LAYOUTS
def test_a_storage_shorter_than_its_tensors_is_refused(write, path):
    with pytest.raises(UserError, match='is damaged'):
        open_tensors(write(path, SMALL, {'0': A[:1], '1': B}))
    with pytest.raises(UserError, match='is damaged'):
        open_tensors(write(path, SMALL, {'0': A}))


def test_a_storage_of_another_name_is_refused(path):
    with pytest.raises(UserError, match='list of storages'):
        open_tensors(write_plain(path, SMALL, {'0': A, '2': B}))
    for keys in ([['0'], '1'], '01', ['0', '0', '1'], [0, 1]):
        with pytest.raises(UserError, match='list of storages'):
            open_tensors(write_plain(path, SMALL, {'0': A, '1': B}, keys=pickled(plain(keys))))


def test_a_pickle_of_something_else_is_told(path):
    for wrong in ({'magic': pickled(plain(7))}, {'version': pickled(plain(1002))}):
        with pytest.raises(UserError, match='a pickle, but not one of torch'):
            open_tensors(write_small(write_plain, path, **wrong))


def test_a_zip_of_something_else_is_told(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('a/b.txt', 'x')
    with pytest.raises(UserError, match='a zip archive, but not one of torch'):
        open_tensors(path)
    write_small(write_zip, path)
    with zipfile.ZipFile(path, 'a') as archive, pytest.warns(UserWarning):
        archive.writestr('archive/data/0', bytes(24))  # which of the two is meant?
    with pytest.raises(UserError, match='a zip archive, but not one of torch'):
        open_tensors(path)
    with pytest.raises(UserError, match='neither little nor big'):
        open_tensors(write_zip(path, SMALL, {'0': A, '1': B}, order='middle'))


def change(path, old, new, count=1):
    with open(path, 'rb') as file:
        content = file.read()
    assert content.count(old) >= count
    with open(path, 'wb') as file:
        file.write(content.replace(old, new))


def test_a_changed_number_in_a_zip_is_found_by_its_checksum(path):
    write_small(write_zip, path)
    change(path, A.tobytes(), (A + 1).tobytes())
    file = open_tensors(path)
    np.testing.assert_array_equal(file.read('b'), B)
    for _ in range(2):
        with pytest.raises(UserError, match='checksum of data/0'):
            file.read('a')


def test_a_zip_without_checksums_is_read(path):
    write_small(write_zip, path)
    for content in (SMALL, A.tobytes(), B.tobytes()):  # as torch writes it after set_crc32_options(False)
        change(path, zlib.crc32(content).to_bytes(4, 'little'), bytes(4), count=2)
    np.testing.assert_array_equal(read_all(path)['a'], A)


def test_an_encrypted_zip_is_told(path):
    write_small(write_zip, path)
    with open(path, 'r+b') as file:
        content = file.read()
        for signature, flags in ((b'PK\3\4', 6), (b'PK\1\2', 8)):
            place = content.find(signature)
            file.seek(place + flags)
            file.write(b'\1')
    with pytest.raises(UserError, match='encrypted'):
        open_tensors(path)


@LAYOUTS
def test_a_type_of_torch_that_is_not_read_is_named(write, path):
    with pytest.raises(UserError, match='torch.ComplexFloatStorage'):
        open_tensors(write(path, pickled(ordered(x=tensor(storage('0', 6, 'ComplexFloatStorage'), (2,)))), {'0': A}))
    with pytest.raises(UserError, match='torch._utils._rebuild_sparse_tensor'):
        open_tensors(write(path, pickled(ordered(x=name('torch._utils', '_rebuild_sparse_tensor'))), {'0': A}))


@LAYOUTS
def test_a_file_that_ends_anywhere_is_refused(write, path):
    cuts_are_refused(write_small(write, path))


@pytest.mark.parametrize('write, compression', [(write_zip, zipfile.ZIP_STORED), (write_zip, zipfile.ZIP_DEFLATED),
                                                (write_plain, None)])
def test_changed_bytes_are_refused_or_read(write, compression, path):
    options = {} if compression is None else {'compression': compression}
    assert flips_are_survived(write_small(write, path, **options), 400) > 150


def test_numbers_that_no_tensor_has_and_gigabytes_of_one_number_are_not_unpacked(path):
    more = {'0': np.zeros(10 ** 6, 'float32'), '1': B}
    with pytest.raises(UserError, match='storage 0 in its archive has 4000000 bytes, where its tensors say 24'):
        read_all(write_zip(path, SMALL, more, compression=zipfile.ZIP_DEFLATED))
    one = storage('0', 10 ** 6)
    with pytest.raises(UserError, match='are compressed to'):
        read_all(write_zip(path, pickled(ordered(x=tensor(one, (1000, 1000)))), {'0': np.zeros(10 ** 6, 'float32')},
                           compression=zipfile.ZIP_DEFLATED))
