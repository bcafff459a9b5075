"""Examples a second and memory of this library, of plain bert4keras, and of PyTorch on the same work: `make bench`.

    python benchmarks/speed/run.py --torch PYTHON [--models bert-mini-zh,bert-small-zh,base] [--rounds 3]

The ways run one after another, each in a process of its own, round after round; a figure is the median of the rounds.
Texts are as long as those of the published sentiment set, 32 a batch. `roofline` is what the processor's matrix
products alone would allow, in float32, measured in the same process; memory is the peak above the loaded model.
"""
import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import lessons

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))
WAYS = (('ours', 'float32'), ('ours', 'auto'), ('plain', 'float32'), ('torch', 'float32'), ('torch', 'bfloat16'))


def checkpoint(name, folder):
    """A model in both formats that the ways read: a shipped one, or a base model of random weights."""
    from pet_keras import convert
    from pet_keras.checkpoints.shipped import shipped_checkpoints
    source = os.path.join(folder, 'source')
    if name == 'base':
        write_random(name, source)
    else:
        source = shipped_checkpoints()[name]
    for kind in ('safetensors', 'google'):
        convert(source, os.path.join(folder, kind), kind, dtype='float32')


def write_random(size, folder):
    """A 'base' or 'large' model of random weights, with the shipped tokens and no dropout."""
    import loading
    from pet_keras.checkpoints.shipped import shipped_checkpoints
    loading.write('safetensors', size, folder, None)
    with open(os.path.join(shipped_checkpoints()['bert-mini-zh'], 'vocab.txt'), encoding='utf-8') as reader:
        tokens = reader.read().split('\n')[:-1]
    with open(os.path.join(folder, 'vocab.txt'), 'w', encoding='utf-8') as writer:
        writer.write('\n'.join(tokens + ['t%d' % i for i in range(len(tokens), loading.VOCAB_SIZE)]) + '\n')
    with open(os.path.join(folder, 'config.json'), encoding='utf-8') as reader:
        config = dict(json.load(reader), hidden_dropout_prob=0., attention_probs_dropout_prob=0.)
    with open(os.path.join(folder, 'config.json'), 'w', encoding='utf-8') as writer:
        json.dump(config, writer)


def figures(way, precision, work, folder, args, torch):
    """What a way prints: {'rate', 'memory', ...}."""
    call = dict(args, work=work, precision=precision, lessons=os.path.join(folder, 'lessons.json'),
                folder=os.path.join(folder, 'safetensors' if way == 'torch' else 'google'))
    script = os.path.join(HERE, 'torch_way.py' if way == 'torch' else way + '.py')
    done = subprocess.run([torch if way == 'torch' else sys.executable, script, json.dumps(call)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')
    if done.returncode:
        raise SystemExit('%s, %s, %s:\n%s' % (way, precision, work, done.stderr[-3000:]))
    return json.loads(done.stdout.splitlines()[-1])


def start_up(folder):
    """Seconds to the answer to one text, and of it to import TensorFlow."""
    command = os.path.join(os.path.dirname(sys.executable), 'pet-keras')
    taken = collections.defaultdict(list)
    for _ in range(5):
        for name, call in (('pet-keras predict', [command, 'predict', '--task', 'sentiment', '-']),
                           ('import tensorflow', [sys.executable, '-c', 'import tensorflow'])):
            begun = time.perf_counter()
            subprocess.run(call, input='房间很干净\n', stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8',
                           check=True, cwd=folder, env=dict(os.environ, TF_USE_LEGACY_KERAS='1'))
            taken[name].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in taken.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--torch', metavar='PYTHON', help='that has torch, transformers and peft (default: leave it out)')
    parser.add_argument('--models', default='bert-mini-zh,bert-small-zh,base')
    parser.add_argument('--works', default=','.join(lessons.WORKS))
    parser.add_argument('--rounds', type=int, default=3)
    args = parser.parse_args()
    print('| model, work | way | examples/s | over plain | over PyTorch | of the roofline | memory, MiB | of plain |')
    print('|' + 8 * '---|')
    for model in args.models.split(','):
        with tempfile.TemporaryDirectory() as folder:
            checkpoint(model, folder)
            size = {'texts': 64 if model == 'base' else 256, 'epochs': 2}
            lessons.write(os.path.join(folder, 'lessons.json'), os.path.join(folder, 'google'), size['texts'])
            for work in args.works.split(','):
                found = collections.defaultdict(list)
                for _ in range(args.rounds):
                    for way in WAYS:
                        if args.torch or way[0] != 'torch':
                            found[way].append(figures(*way, work, folder, size, args.torch))
                report(model, work, {way: {key: statistics.median(one[key] for one in every) for key in every[0]}
                                     for way, every in found.items()})
    with tempfile.TemporaryDirectory() as folder:
        print('\n' + ', '.join('%s: %.1f s' % pair for pair in start_up(folder).items()))


def report(model, work, found):
    """The rows of one work."""
    plain = found['plain', 'float32']
    torch = max([one['rate'] for (way, _), one in found.items() if way == 'torch'], default=None)
    for (way, precision), one in found.items():
        ours = way == 'ours'
        print('| %s, %s | %s, %s | %.3g | %s | %s | %s | %.0f | %s |' % (
            model, work, {'plain': 'bert4keras', 'torch': 'PyTorch'}.get(way, 'pet_keras'), precision, one['rate'],
            '%.2f' % (one['rate'] / plain['rate']) if way != 'plain' else '',
            '%.2f' % (one['rate'] / torch) if torch and ours else '',
            '%.0f %%' % (100 * one['rate'] / one['roofline']) if ours else '', one['memory'],
            '%.2f' % (one['memory'] / max(1., plain['memory'])) if ours else ''), flush=True)


if __name__ == '__main__':
    main()
