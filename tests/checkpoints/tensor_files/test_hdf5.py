import sys

import numpy as np
import pytest

from damage import cuts_are_refused, flips_are_survived, read_all
from pet_keras.checkpoints.tensor_files.opening import open_tensors
from pet_keras.errors import UserError

h5py = pytest.importorskip('h5py')
BERT, HEAD = 'bert/tf_bert_for_masked_lm/bert/', 'mlm___cls/tf_bert_for_masked_lm/'


@pytest.fixture
def write(tmp_path):
    """Writes a file of arrays by path; `more` does more to the open file. Returns the file's path."""
    def _write(arrays, more=lambda file: None):
        with h5py.File(str(tmp_path / 'tf_model.h5'), 'w') as file:
            for path, array in arrays.items():
                file[path] = array
            more(file)
        return str(tmp_path / 'tf_model.h5')
    return _write


@pytest.fixture
def small(write):
    return write({BERT + 'embeddings/weight:0': np.arange(6, dtype='float32').reshape(2, 3),
                  HEAD + 'bert/embeddings/weight:0': np.arange(6, dtype='float32').reshape(2, 3),
                  HEAD + 'mlm___cls/predictions/bias:0': np.array([1, 2], 'float16'),
                  'top_level_model_weights/note': 'a text'})


def test_a_name_is_the_variable_s_own_and_what_is_shared_stands_once(small):
    file = open_tensors(small)
    assert file.shapes == {'bert/embeddings/weight': (2, 3), 'mlm___cls/predictions/bias': (2,)}
    assert file.dtypes['mlm___cls/predictions/bias'] == 'float16'
    np.testing.assert_array_equal(file.read('bert/embeddings/weight'), np.arange(6.).reshape(2, 3))
    assert file.read('mlm___cls/predictions/bias').dtype == 'float32'


def test_without_a_model_s_name_the_layer_s_alone_is_dropped(write):
    names = open_tensors(write({'dense_1/dense_1/kernel:0': np.zeros(2), 'bias:0': np.zeros(2),
                                'shared/shared/weight:0': np.zeros(2)})).shapes
    assert sorted(names) == ['bias', 'dense_1/kernel', 'shared/weight']


def test_compressed_and_big_endian_numbers_are_read(write):
    def compress(file):
        file.create_dataset(BERT + 'c:0', data=np.ones((64, 64), 'float32'), chunks=(16, 16), compression='gzip')
    read = read_all(write({BERT + 'big:0': np.array([1, 2], '>f4')}, compress))
    assert read['bert/c'].sum() == 64 * 64 and read['bert/big'].tolist() == [1, 2]


def test_one_name_with_different_numbers_is_refused(write):
    path = write({BERT + 'w:0': np.zeros(2, 'float32'), HEAD + 'bert/w:0': np.ones(2, 'float32')})
    with pytest.raises(UserError, match='bert/w stands in it 2 times, with different numbers'):
        read_all(path)
    path = write({BERT + 'w:0': np.zeros(2, 'float32'), HEAD + 'bert/w:0': np.zeros(3, 'float32')})
    with pytest.raises(UserError, match='two shapes'):
        open_tensors(path)


def test_numbers_of_other_files_are_not_read(write, tmp_path):
    (tmp_path / 'secret').write_bytes(b'secret!!')

    def outside(file):
        file.create_dataset(BERT + 'x:0', (2,), 'float32', external=[(str(tmp_path / 'secret'), 0, 8)])
    with pytest.raises(UserError, match='stands in another file'):
        open_tensors(write({}, outside))

    def virtual(file):
        layout = h5py.VirtualLayout((2,), 'float32')
        layout[:] = h5py.VirtualSource(str(tmp_path / 'other.h5'), 'x', (2,))
        file.create_virtual_dataset(BERT + 'x:0', layout)
    with pytest.raises(UserError, match='stands in another file'):
        open_tensors(write({}, virtual))

    def link(file):
        file[BERT + 'x:0'] = h5py.ExternalLink(str(tmp_path / 'other.h5'), 'x')
    assert list(open_tensors(write({BERT + 'w:0': np.zeros(2)}, link)).shapes) == ['bert/w']


def test_numbers_that_were_never_written_are_missed(write):
    with pytest.raises(UserError, match='of the 4000000000000 bytes of .*x:0 it holds 0'):
        open_tensors(write({}, lambda file: file.create_dataset(BERT + 'x:0', (10 ** 12,), 'float32')))


def test_a_file_without_tensors_is_named(write):
    with pytest.raises(UserError, match='tf_model.h5 holds no tensors'):
        open_tensors(write({'note': 'a text'}))


def test_without_h5py_one_line_says_what_to_type(small, monkeypatch):
    monkeypatch.setitem(sys.modules, 'h5py', None)
    with pytest.raises(UserError, match='tf_model.h5 is an HDF5 file, which needs h5py. Type:  pip install h5py'):
        open_tensors(small)


def test_a_file_that_ends_anywhere_is_refused(small):
    cuts_are_refused(small, step=37)


def test_changed_bytes_are_refused_or_read(small):
    assert flips_are_survived(small, 300) > 20


def test_gigabytes_of_one_number_are_not_unpacked(write):
    def compress(file):
        file.create_dataset(BERT + 'c:0', data=np.zeros((1024, 1024), 'float32'), compression='gzip')
    with pytest.raises(UserError, match='are compressed to'):
        read_all(write({BERT + 'big:0': np.array([1, 2], '>f4')}, compress))
