"""An exported classifier beside TensorFlow: texts a second, and what 8 bits cost in accuracy.

    python benchmarks/export.py [--data FOLDER] [--checkpoint NAME ...] [--batch-size 1 32] [--rounds 5] [--threads 1]

Zero-shot sentiment on the lines of FOLDER/data/sentiment/sentiment.test.data (FOLDER: default PET_KERAS_DATA).
Each engine scores the same texts with the same number of threads, in turn, round after round, so that what else the machine
does meets all of them; a figure is the median over the rounds. Tokenizing is part of it. `start` is the time from
opening the folder to the first answer, in a process that has loaded the libraries. Accuracy, and how many answers differ
from TensorFlow's, are over all lines.
"""
import argparse
import os
import statistics
import tempfile
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', default=os.environ.get('PET_KERAS_DATA'))
parser.add_argument('--checkpoint', nargs='+', default=['bert-mini-zh', 'bert-small-zh'])
parser.add_argument('--batch-size', type=int, nargs='+', default=[1, 32])
parser.add_argument('--texts', type=int, default=512, help='of each round; accuracy is over all')
parser.add_argument('--rounds', type=int, default=5)
parser.add_argument('--threads', type=int, default=1)
args = parser.parse_args()
if not args.data:
    parser.error('--data or PET_KERAS_DATA names the folder that holds data/sentiment/')

import numpy as np  # noqa: E402

from pet_keras import ClozeClassifier, OnnxClassifier, export, load, read_examples  # noqa: E402
from pet_keras.backend import tf  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(args.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)


def seconds(function):
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


print('%d threads, %d texts a round, medians of %d rounds' % (args.threads, args.texts, args.rounds))
print('| model | engine | MB | start, s | %s | accuracy | other answers |' % ' | '.join(
    'texts/s, %d a batch' % size for size in args.batch_size))
print('|---|---|---|---|' + '---|' * len(args.batch_size) + '---|---|')
for checkpoint in args.checkpoint:
    with tempfile.TemporaryDirectory() as folder:
        made = ClozeClassifier('sentiment', checkpoint)
        examples = read_examples(os.path.join(args.data, 'data/sentiment/sentiment.test.data'), made.task)
        some = np.random.default_rng(0).permutation(len(examples))[:args.texts]
        some = [examples[i] for i in some]
        where = {name: os.path.join(folder, name) for name in ('TensorFlow', 'ONNX', 'ONNX, int8')}
        made.save(where['TensorFlow'])
        export(made, where['ONNX'])
        export(made, where['ONNX, int8'], int8=True)
        engines, start = {}, {}
        for name, path in where.items():
            begun = time.perf_counter()
            engines[name] = load(path) if name == 'TensorFlow' else OnnxClassifier(path, args.threads)
            engines[name].predict(some[:1])
            start[name] = time.perf_counter() - begun
        found = {name: engine.predict(examples, 32) for name, engine in engines.items()}  # and warm
        taken = {}
        for _ in range(args.rounds):
            for size in args.batch_size:
                for name, engine in engines.items():
                    taken.setdefault((name, size), []).append(seconds(lambda: engine.predict_proba(some, size)))
        for name in engines:
            size = sum(file.stat().st_size for file in os.scandir(where[name])) / 1e6
            rates = ['%.0f' % (len(some) / statistics.median(taken[name, size])) for size in args.batch_size]
            right = np.mean([label == example.label for label, example in zip(found[name], examples)])
            other = np.mean([a != b for a, b in zip(found[name], found['TensorFlow'])])
            print('| %s | %s | %.1f | %.1f | %s | %.4f | %.2f %% |' % (
                checkpoint, name, size, start[name], ' | '.join(rates), right, 100 * other), flush=True)
