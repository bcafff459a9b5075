"""What each way of tuning costs: weights that train, a training step, a prediction, memory, and the saved folder.

    python benchmarks/tuning.py [--checkpoint bert-mini-zh]

Each way runs in a process of its own, on the shipped reviews: a first training traces, a second one is timed. Times are
of the processor (all cores together), so that other work on the machine does not count; memory is the process' peak.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

WAYS = ('all', 'prompt', 'prefix', 'adapters')


def measure(way, checkpoint):
    """The figures of one way, a dict."""
    from pet_keras import ClozeClassifier, prompt_pattern, read_examples, shipped_texts
    pattern = prompt_pattern(8) if way == 'prompt' else None
    classifier = ClozeClassifier('sentiment', checkpoint, pattern, train=way)
    texts = read_examples(shipped_texts('reviews.train.tsv'), classifier.task)[:40]
    classifier.fit(texts, epochs=1)
    begun = time.process_time()
    classifier.fit(texts, epochs=2)
    step = (time.process_time() - begun) / 10
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    classifier.predict(texts)
    begun = time.process_time()
    classifier.predict(texts)
    predict = (time.process_time() - begun) / len(texts)
    with tempfile.TemporaryDirectory() as folder:
        classifier.save(os.path.join(folder, 'model'))
        saved = sum(os.path.getsize(os.path.join(where, name))
                    for where, _, names in os.walk(folder) for name in names)
    return {'trained': classifier.parameters_trained, 'step': 1000 * step, 'predict': 1000 * predict, 'memory': memory,
            'saved': saved / 1000}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--checkpoint', default='bert-mini-zh')
    parser.add_argument('--way', choices=WAYS, help='this one alone, as JSON')
    args = parser.parse_args()
    if args.way:
        return print(json.dumps(measure(args.way, args.checkpoint)))
    print('| train= | weights that train | ms a step of 8 texts | ms a text to predict | peak memory, MiB | saved, kB |')
    print('|---|---|---|---|---|---|')
    for way in WAYS:
        said = subprocess.run([sys.executable, __file__, '--way', way, '--checkpoint', args.checkpoint], check=True,
                              stdout=subprocess.PIPE).stdout
        found = json.loads(said.splitlines()[-1])
        print('| %s | %d | %.0f | %.1f | %.0f | %.0f |' % (
            way, found['trained'], found['step'], found['predict'], found['memory'], found['saved']), flush=True)


if __name__ == '__main__':
    main()
