"""`tf_model.h5`: the HDF5 file that transformers' TensorFlow models write through Keras."""
from pet_keras.checkpoints.tensor_files.tensor_file import TensorFile, check_compression
from pet_keras.errors import UserError

_DTYPES = ('float64', 'float32', 'float16', 'int64', 'int32', 'int16', 'int8', 'uint64', 'uint32', 'uint16', 'uint8')


def short_name(path):
    """What a variable is called in its model, from its path LAYER/MODEL/NAME:0 in the file.

    Where no model's name follows the layer's, only the layer's is dropped.

    >>> short_name('bert/tf_bert_for_masked_lm/bert/encoder/layer_._0/output/dense/kernel:0')
    'bert/encoder/layer_._0/output/dense/kernel'
    >>> short_name('mlm___cls/tf_bert_for_masked_lm/mlm___cls/predictions/bias:0')
    'mlm___cls/predictions/bias'
    >>> short_name('shared/shared/weight:0')
    'shared/weight'
    """
    parts = path.split(':')[0].split('/')
    dropped = 2 if len(parts) > 2 and parts[1].startswith('tf') else 1  # transformers' classes begin with TF
    return '/'.join(parts[dropped:] or parts)


class HDF5File(TensorFile):
    """An HDF5 file of a Keras model; names are those of `short_name`.

    What layers share, such as the embeddings of an MLM head, stands in the file twice and has here one name.

    Raises: UserError where it is damaged or refers to another file, or h5py is missing.
    """
    def __init__(self, path):
        super(HDF5File, self).__init__(path)
        try:
            import h5py
        except ImportError:
            raise UserError('%s is an HDF5 file, which needs h5py. Type:  pip install h5py' % self.path) from None
        self._datasets = {}

        def visit(place, found):
            if isinstance(found, h5py.Dataset) and found.dtype.name in _DTYPES and found.shape is not None:
                self._add(place, found)
        try:
            self._file = h5py.File(self.path, 'r')
            self._file.visititems(visit)  # which follows no link to another file
        except UserError:
            raise
        except Exception as e:  # a damaged file raises any type
            raise self._unreadable(e) from None
        if not self._datasets:
            raise UserError('%s holds no tensors: it is not the file of a Keras model.' % self.path)

    def _add(self, place, dataset):
        name, shape = short_name(place), tuple(map(int, dataset.shape))
        if dataset.external or dataset.is_virtual:
            raise UserError('%s is refused: its %s stands in another file.' % (self.path, place))
        stored = dataset.id.get_storage_size()
        if dataset.nbytes > stored and not dataset.id.get_create_plist().get_nfilters():
            raise self.damaged('of the %d bytes of %s it holds %d' % (dataset.nbytes, place, stored))
        check_compression(dataset.nbytes, stored, place, self.damaged)
        same = self._datasets.setdefault(name, [])
        same.append(dataset)
        if (same[0].shape, same[0].dtype) != (dataset.shape, dataset.dtype):
            raise self.damaged('%s stands in it in two shapes or types' % name)
        self.shapes[name], self.dtypes[name] = shape, dataset.dtype.name

    def _raw(self, name):
        try:
            first, *others = [dataset[()] for dataset in self._datasets[name]]
        except MemoryError:
            raise
        except Exception as e:
            raise self._unreadable(e) from None
        if any(first.tobytes() != other.tobytes() for other in others):
            raise UserError('%s: %s stands in it %d times, with different numbers.' % (
                self.path, name, 1 + len(others)))
        return first

    def _unreadable(self, e):
        return self.damaged('HDF5 cannot read it (%s)' % str(e).split('\n')[0])
