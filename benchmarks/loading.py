"""Loading a BERT of each file format: time, and memory above an empty TensorFlow process.

    python benchmarks/loading.py [--only base] [--folder FOLDER]

Random weights of a base model (12 layers, 768 wide) or a large one (24, 1024), each in a process of its own, are
written in each format and loaded with Checkpoint and build_mlm. Peak is the most memory that the process held
(`ru_maxrss`), less what one holds that has only started TensorFlow, as a multiple of the weights. Reading is that of
the files' bytes alone. The base model takes 0.4 GB of disk six times, the large one 1.3 GB.
"""
import argparse
import collections
import glob
import json
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
import types
import zipfile

import numpy as np

SIZES = {'base': (12, 768), 'large': (24, 1024)}
VOCAB_SIZE, POSITIONS = 21128, 512
FILES = {'safetensors': 'model.safetensors', 'sharded': 'model-*.safetensors',
         'google': 'bert_model.ckpt.data-00000-of-00001', 'torch': 'pytorch_model.bin', 'h5': 'tf_model.h5',
         'UER-py': 'bert.bin'}
# UER-py's names of 2019 ← Hugging Face's; a LayerNorm's weight and bias are gamma and beta there
UER = [('bert.encoder.layer.', 'encoder.transformer.'), ('attention.self.query', 'self_attn.linear_layers.0'),
       ('attention.self.key', 'self_attn.linear_layers.1'), ('attention.self.value', 'self_attn.linear_layers.2'),
       ('attention.output.dense', 'self_attn.final_linear'), ('attention.output.LayerNorm', 'layer_norm_1'),
       ('intermediate.dense', 'feed_forward.linear_1'), ('output.dense', 'feed_forward.linear_2'),
       ('output.LayerNorm', 'layer_norm_2'), ('bert.embeddings.LayerNorm', 'embedding.layer_norm'),
       ('bert.embeddings.word_embeddings', 'embedding.word_embedding'), ('bert.pooler.dense', 'target.nsp_linear_1'),
       ('bert.embeddings.position_embeddings', 'embedding.position_embedding'),
       ('bert.embeddings.token_type_embeddings', 'embedding.segment_embedding'),
       ('cls.predictions.transform.dense', 'target.mlm_linear_1'), ('cls.seq_relationship', 'target.nsp_linear_2'),
       ('cls.predictions.transform.LayerNorm', 'target.layer_norm'), ('cls.predictions', 'target.mlm_linear_2')]


def shapes(size):
    """{Hugging Face's name: shape} of a BERT as it is released, with both heads."""
    layers, width = SIZES[size]
    found = {'bert.embeddings.word_embeddings.weight': (VOCAB_SIZE, width),
             'bert.embeddings.position_embeddings.weight': (POSITIONS, width),
             'bert.embeddings.token_type_embeddings.weight': (2, width)}

    def module(name, *shape):
        found[name + '.weight'], found[name + '.bias'] = shape, shape[:1]
    module('bert.embeddings.LayerNorm', width)
    for layer in ('bert.encoder.layer.%d.' % i for i in range(layers)):
        for part in ('self.query', 'self.key', 'self.value', 'output.dense'):
            module(layer + 'attention.' + part, width, width)
        module(layer + 'attention.output.LayerNorm', width)
        module(layer + 'intermediate.dense', 4 * width, width)
        module(layer + 'output.dense', width, 4 * width)
        module(layer + 'output.LayerNorm', width)
    module('bert.pooler.dense', width, width)
    module('cls.predictions.transform.dense', width, width)
    module('cls.predictions.transform.LayerNorm', width)
    module('cls.seq_relationship', 2, width)
    return dict(found, **{'cls.predictions.bias': (VOCAB_SIZE,)})


def tensors(size):
    """(name, random float32 array), one at a time, the same for each format."""
    rng = np.random.default_rng(0)
    for name, shape in shapes(size).items():
        yield name, rng.standard_normal(shape, 'float32') * np.float32(.02)


def uer_tensors(size):
    """The same under UER-py's names: three rows for segments, and the head has a table of its own, the same."""
    for name, array in tensors(size):
        for theirs, of_uer in UER:
            name = name.replace(theirs, of_uer)
        if 'layer_norm' in name:
            name = name.replace('.weight', '.gamma').replace('.bias', '.beta')
        if 'segment_embedding' in name:
            array = np.concatenate([array[:1] * 0, array])
        yield name, array
        if 'word_embedding' in name:
            yield 'target.mlm_linear_2.weight', array


def write_torch(path, size, tensors=tensors):
    """The zip that torch.save writes: a pickle of a dict, and an entry for the numbers of each tensor."""
    storage_type = type('FloatStorage', (), {'__module__': 'torch'})
    rebuild = types.FunctionType((lambda: None).__code__, {}, '_rebuild_tensor_v2')
    rebuild.__module__, rebuild.__qualname__ = 'torch._utils', '_rebuild_tensor_v2'
    sys.modules.update({'torch': types.ModuleType('torch'), 'torch._utils': types.ModuleType('torch._utils')})
    sys.modules['torch'].FloatStorage, sys.modules['torch._utils']._rebuild_tensor_v2 = storage_type, rebuild
    storage = collections.namedtuple('storage', 'key size')

    class Tensor(object):
        def __init__(self, key, shape):
            self.storage, self.shape = storage(str(key), int(np.prod(shape))), shape

        def __reduce__(self):
            strides = tuple(int(np.prod(self.shape[i + 1:])) for i in range(len(self.shape)))
            return rebuild, (self.storage, 0, self.shape, strides, False, collections.OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return ('storage', storage_type, thing.key, 'cpu', thing.size) if isinstance(thing, storage) else None
    with zipfile.ZipFile(path, 'w') as archive:
        with archive.open('archive/data.pkl', 'w') as file:
            Pickler(file, 2).dump({name: Tensor(i, array.shape) for i, (name, array) in enumerate(tensors(size))})
        for i, (name, array) in enumerate(tensors(size)):
            archive.writestr('archive/data/%d' % i, array.tobytes())


def write_h5(path, size):
    """The HDF5 of transformers' TensorFlow models, in which the head has a table of its own, the same."""
    import h5py
    with h5py.File(path, 'w') as file:
        for name, array in tensors(size):
            top, name = ('bert' if name.startswith('bert.') else 'mlm___cls'), name.replace('cls.', 'mlm___cls.')
            name, end = name.replace('layer.', 'layer_._').rsplit('.', 1)
            if 'LayerNorm' in name:
                end = {'weight': 'gamma', 'bias': 'beta'}[end]
            elif end == 'weight' and 'embeddings' in name:
                end = 'weight' if 'word' in name else 'embeddings'
            elif end == 'weight':
                array, end = array.T, 'kernel'
            name = '/tf_bert_for_pre_training/%s/%s:0' % (name.replace('.', '/'), end)
            file[top + name] = array
            if 'word_embeddings' in name:
                file['mlm___cls' + name] = array


def write(kind, size, folder, source):
    """A folder in one format; Google's is converted from `source`, one in another."""
    from pet_keras import convert
    if kind == 'google':
        return convert(source, folder, 'google')
    os.makedirs(folder)
    layers, width = SIZES[size]
    with open(os.path.join(folder, 'config.json'), 'w') as writer:
        json.dump({'model_type': 'bert', 'vocab_size': VOCAB_SIZE, 'hidden_size': width, 'num_hidden_layers': layers,
                   'num_attention_heads': width // 64, 'intermediate_size': 4 * width, 'hidden_act': 'gelu',
                   'max_position_embeddings': POSITIONS, 'type_vocab_size': 2}, writer)
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    with open(os.path.join(folder, 'vocab.txt'), 'w') as writer:
        writer.write('\n'.join(special + ['t%d' % i for i in range(len(special), VOCAB_SIZE)]) + '\n')
    path = os.path.join(folder, FILES[kind])
    if kind == 'safetensors':
        from safetensors.numpy import save_file
        save_file(dict(tensors(size)), path, {'format': 'pt'})
    elif kind == 'sharded':
        from safetensors.numpy import save_file
        shards, names = {}, list(shapes(size))
        for part, shard in enumerate((set(names[:len(names) // 2]), set(names[len(names) // 2:])), 1):
            file = 'model-%05d-of-00002.safetensors' % part
            save_file({name: array for name, array in tensors(size) if name in shard}, os.path.join(folder, file),
                      {'format': 'pt'})
            shards.update(dict.fromkeys(shard, file))
        with open(os.path.join(folder, 'model.safetensors.index.json'), 'w') as writer:
            json.dump({'metadata': {}, 'weight_map': shards}, writer)
    elif kind == 'UER-py':
        os.remove(os.path.join(folder, 'config.json'))  # such a folder may have none
        write_torch(path, size, uer_tensors)
    else:
        {'torch': write_torch, 'h5': write_h5}[kind](path, size)


def load(folder=None):
    """Loads a checkpoint, or nothing: {'seconds', 'busy' (of the processors), 'peak' in bytes} of this process."""
    from pet_keras import Checkpoint, build_mlm
    from pet_keras.backend import tf
    tf.zeros(1).numpy()
    start, busy = time.perf_counter(), time.process_time()
    if folder:
        build_mlm(Checkpoint(folder))
    return {'seconds': time.perf_counter() - start, 'busy': time.process_time() - busy,
            'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)}


def read(path):
    """Seconds to read a file's bytes."""
    start = time.perf_counter()
    with open(path, 'rb', buffering=0) as file:
        while file.read(2 ** 24):
            pass
    return time.perf_counter() - start


def in_a_process(function, *args):
    """What a function of this file returns in a new process: `ru_maxrss` is that of the process, and never falls."""
    done = subprocess.run([sys.executable, __file__, '--call', json.dumps([function.__name__, *args])],
                          stdout=subprocess.PIPE, check=True, encoding='utf-8')
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', choices=SIZES, default='base')
    parser.add_argument('--folder', help='where to write (default: a temporary folder)')
    parser.add_argument('--call', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.call:
        name, *values = json.loads(args.call)
        return print(json.dumps(globals()[name](*values)))
    weights = 4 * sum(int(np.prod(shape)) for shape in shapes(args.only).values())
    empty = in_a_process(load)['peak']
    print('| format | loading, s | processor, s | reading, s | peak, weights | on disk, MB |\n|' + 6 * '---|')
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        source = os.path.join(folder, 'safetensors')
        for kind, name in FILES.items():
            place = os.path.join(folder, kind)
            in_a_process(write, kind, args.only, place, source)
            paths = glob.glob(os.path.join(place, name))
            seconds, found = sum(map(read, paths)), in_a_process(load, place)
            print('| %s | %.1f | %.1f | %.2f | %.2f | %.0f |' % (
                kind, found['seconds'], found['busy'], seconds, (found['peak'] - empty) / weights,
                sum(map(os.path.getsize, paths)) / 1e6), flush=True)
    print('%s: weights of %.0f MB; an empty process holds %.0f MB' % (args.only, weights / 1e6, empty / 1e6))


if __name__ == '__main__':
    main()
