"""What a base and a large model need: the most memory that a process holds which scores or trains, TensorFlow included.

    python benchmarks/speed/memory.py [--models base,large] [--accumulate 1] [--folder FOLDER]

Random weights; texts as long as those of the published sentiment set, at most 128 tokens; 32 a batch in scoring, 8 in
training, one step each, every work in a process of its own.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import lessons
from run import write_random

WORKS = ('scoring', 'P-tuning', 'few-shot')


def measure(folder, work, accumulate):
    """{'parameters', 'trained' (numbers), 'peak' (MiB)} of this process."""
    from pet_keras import ClozeClassifier, Example
    classifier = ClozeClassifier('sentiment', folder, **lessons.way_of(work))
    texts = lessons.texts(32 if work == 'scoring' else 8 * accumulate)
    if work == 'scoring':
        classifier.predict_proba(texts)
    else:
        classifier.fit([Example(text, label=classifier.labels[i % 2]) for i, text in enumerate(texts)], epochs=1,
                       batch_size=8, accumulate=accumulate)
    return {'parameters': classifier.model.count_params(), 'peak': lessons.peak(),
            'trained': 0 if work == 'scoring' else classifier.parameters_trained}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--models', default='base,large')
    parser.add_argument('--accumulate', type=int, default=1, help='batches a step')
    parser.add_argument('--folder', help='where to write (default: a temporary folder)')
    parser.add_argument('--call', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.call:
        return print(json.dumps(measure(*json.loads(args.call))))
    print('| model | parameters, million | work | trained, million | memory, GiB |\n|' + 5 * '---|')
    for model in args.models.split(','):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            source = os.path.join(folder, model)
            write_random(model, source)
            for work in WORKS:
                done = subprocess.run([sys.executable, __file__, '--call', json.dumps([source, work, args.accumulate])],
                                      stdout=subprocess.PIPE, check=True, encoding='utf-8')
                found = json.loads(done.stdout.splitlines()[-1])
                print('| %s | %.1f | %s | %.3f | %.2f |' % (
                    model, found['parameters'] / 1e6, work, found['trained'] / 1e6, found['peak'] / 1024.), flush=True)


if __name__ == '__main__':
    main()
