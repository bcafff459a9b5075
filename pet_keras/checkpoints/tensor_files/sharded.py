"""A model in several files: an index, `model.safetensors.index.json` or `pytorch_model.bin.index.json`, and shards."""
import json
import os

from pet_keras.checkpoints.tensor_files.mapped import MappedFile
from pet_keras.checkpoints.tensor_files.safetensors import unique
from pet_keras.checkpoints.tensor_files.tensor_file import TensorFile
from pet_keras.errors import UserError


class ShardedFile(TensorFile):
    """The tensors that an index names, each read from its shard.

    Arguments: `path` the index; `open_shard` opens one file as a TensorFile.

    Raises: UserError where the index or a shard is damaged, or a shard is missing, is not in the index's folder or
    lacks a tensor.
    """
    def __init__(self, path, open_shard):
        super(ShardedFile, self).__init__(path)
        self._shard_of, self._shards = self._weight_map(), {}
        for shard in sorted(set(self._shard_of.values())):
            if '\\' in shard or ':' in shard or '..' in shard.split('/') or os.path.isabs(shard):
                raise UserError('%s names the file %r, which is not in its folder.' % (self.path, shard))
            place = os.path.join(os.path.dirname(self.path), shard)
            if not os.path.exists(place):
                raise UserError('%s names %r, which is not beside it: the download is incomplete.' % (
                    self.path, shard))
            self._shards[shard] = open_shard(place)
        for name, shard in self._shard_of.items():
            if name not in self._shards[shard].shapes:
                raise UserError('%s puts the tensor %s into %s, where it is not: the files belong to different '
                                'models.' % (self.path, name, shard))
            self.shapes[name] = self._shards[shard].shapes[name]
            self.dtypes[name] = self._shards[shard].dtypes[name]

    def _weight_map(self):
        """{tensor: name of its shard}"""
        file = MappedFile(self.path)
        try:
            index = json.loads(file.bytes(0, file.size).decode('utf-8-sig'), object_pairs_hook=unique)
        except (ValueError, RecursionError) as e:
            raise self.damaged('it is not JSON (%s)' % e) from None
        found = index.get('weight_map') if isinstance(index, dict) else None
        if not isinstance(found, dict) or not found or not all(v and isinstance(v, str) for v in found.values()):
            raise UserError('%s has no weight_map of tensors and files: it is not the index of a model.' % self.path)
        return found

    def _raw(self, name):
        return self._shards[self._shard_of[name]].raw(name)
