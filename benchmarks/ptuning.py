"""P-tuning against PET and plain fine-tuning on the published sentiment set.

    python benchmarks/ptuning.py --data FOLDER --records ptuning.jsonl
    python benchmarks/ptuning.py --records ptuning.jsonl --table-only

One record a (setting, seed) is appended to the records file; what is there already is not run again.

Protocol (after kexue.fm 8295): seed s learns from lines 168 s to 168 (s + 1) of sentiment.train.data (the
settings marked 5,000 from 5,000 lines, for 2 epochs), for 12 epochs where all weights train and for 24 where only a
prompt does; the epoch is chosen on 200 lines of sentiment.valid.data that stand neither in train nor in
test; accuracy is on sentiment.test.data, as published (2,111 lines) and without the lines that also stand in train.
"steps" is the median number of steps to the first epoch within one point of the best dev accuracy.
"""
import argparse
import json
import os
import statistics
import time

N, EPOCHS, PROMPT_EPOCHS, BATCH = 168, 12, 24, 8
BERT, GPT = 'bert-mini-zh', 'gpt-mini-zh'
PROMPT = {'train': 'prompt'}
# name: (checkpoint, pattern, arguments of the classifier or None for plain fine-tuning, arguments of fit)
SETTINGS = {
    'fine-tuning, BERT': (BERT, None, None, {}),
    'fine-tuning, GPT': (GPT, None, None, {}),
    'PET, BERT, P2': (BERT, 'P2', {}, {}),
    'PET, BERT, P3': (BERT, 'P3', {}, {}),
    'P-tuning, BERT, 8 before': (BERT, (8, 'before'), PROMPT, {}),
    'P-tuning, GPT, 8 after': (GPT, (8, 'after'), PROMPT, {}),
    'P-tuning, BERT, no auxiliary loss': (BERT, (8, 'before'), PROMPT, {'mask_rate': 0}),
    'P-tuning, GPT, no auxiliary loss': (GPT, (8, 'after'), PROMPT, {'mask_rate': 0}),
    'P-tuning, BERT, LSTM encoder': (BERT, (8, 'before'), {'train': 'prompt', 'prompt_encoder': 'lstm'}, {}),
    'P-tuning, BERT, word start': (BERT, (8, 'before'), {'train': 'prompt', 'prompt_init': 'words'}, {}),
    'P-tuning, BERT, 2 tokens': (BERT, (2, 'before'), PROMPT, {}),
    'P-tuning, BERT, 4 tokens': (BERT, (4, 'before'), PROMPT, {}),
    'P-tuning, BERT, 16 tokens': (BERT, (16, 'before'), PROMPT, {}),
    'P-tuning, BERT, 8 after': (BERT, (8, 'after'), PROMPT, {}),
    'P-tuning, GPT, 8 before': (GPT, (8, 'before'), PROMPT, {}),
    'P-tuning, GPT, 4 before, 4 after': (GPT, (8, 'both'), PROMPT, {}),
    'P-tuning, BERT, [unused] label words': (BERT, (8, 'before', 'own words'), PROMPT, {}),
    'all weights, BERT, prompt pattern': (BERT, (8, 'before'), {}, {}),
    'all weights, GPT, prompt pattern': (GPT, (8, 'after'), {}, {}),
    'fine-tuning, BERT, 5,000': (BERT, None, None, {'n': 5000, 'epochs': 2}),
    'P-tuning, BERT, 5,000': (BERT, (8, 'before'), PROMPT, {'n': 5000, 'epochs': 2}),
    'all weights, BERT, prompt pattern, 5,000': (BERT, (8, 'before'), {}, {'n': 5000, 'epochs': 2}),
}
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--data', help='folder of sentiment.{train,valid,test}.data')
parser.add_argument('--records', default='ptuning.jsonl', help='file of results, read and appended to')
parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2, 3, 4])
parser.add_argument('--settings', nargs='+', default=list(SETTINGS), choices=list(SETTINGS), metavar='NAME')
parser.add_argument('--bfloat16', action='store_true', help='bfloat16 products, on processors that have them')
parser.add_argument('--table-only', action='store_true', help='print the table of the records and stop')
args = parser.parse_args()

records = []
if os.path.exists(args.records):
    records = [json.loads(line) for line in open(args.records, encoding='utf-8')]


def summary(values):
    spread = ' ± %.1f' % statistics.stdev(values) if len(values) > 1 else ''
    return '%.1f%s' % (statistics.mean(values), spread)


def table():
    print('| setting | seeds | dev | accuracy, as published | without shared lines | steps |')
    print('|---|---|---|---|---|---|')
    for name in args.settings:
        rows = [r for r in records if r['setting'] == name]
        if rows:
            print('| %s | %d | %s | %s | %s | %d |' % (
                name, len(rows), *[summary([r[key] for r in rows]) for key in ('dev', 'published', 'unshared')],
                statistics.median(r['steps'] for r in rows)))


def main():
    from pet_keras import ClozeClassifier, FineTuningClassifier, Task, classification_report, prompt_pattern, read_examples, without
    from pet_keras.backend import keras, tf
    if args.bfloat16:
        tf.config.optimizer.set_experimental_options({'auto_mixed_precision_onednn_bfloat16': True})
    task = Task.load('sentiment')
    own_words = Task({'P1': task.pattern().string}, {'正面': '[unused21]', '负面': '[unused22]'}, task.aliases)
    train, valid, test = [read_examples(os.path.join(args.data, 'sentiment.%s.data' % s), task)
                          for s in ('train', 'valid', 'test')]
    seen, dev = {e.text for e in train}, without(valid, train + test)[:200]
    unshared = [i for i, e in enumerate(test) if e.text not in seen]
    done = {(r['setting'], r['seed']) for r in records}
    for seed in args.seeds:
        for name in args.settings:
            if (name, seed) in done:
                continue
            keras.backend.clear_session()
            checkpoint, pattern, options, fit = SETTINGS[name]
            start, this_task, fit = time.time(), task, dict(fit)
            if isinstance(pattern, tuple):
                this_task = own_words if len(pattern) > 2 else task
                pattern = prompt_pattern(*pattern[:2], causal=checkpoint == GPT)
            if options is None:
                classifier = FineTuningClassifier(task, checkpoint, seed=seed)
            else:
                classifier = ClozeClassifier(this_task, checkpoint, pattern, seed=seed, **options)
            n = fit.pop('n', N)
            lines = train[N * seed:N * (seed + 1)] if n == N else train[1000 * seed:1000 * seed + n]
            epochs = PROMPT_EPOCHS if classifier.train == 'prompt' else EPOCHS
            classifier.fit(lines, dev=dev, seed=seed, **dict({'epochs': epochs, 'batch_size': BATCH}, **fit))
            history = [h for h in classifier.history if 'dev_accuracy' in h]
            best = max(h['dev_accuracy'] for h in history)
            near = next(h['epoch'] for h in history if h['dev_accuracy'] >= best - 1)
            proba = classifier.predict_log_proba(test)
            score = lambda rows: classification_report(  # noqa: E731
                [test[i].label for i in rows], proba[rows], task.labels)['accuracy']
            record = {'setting': name, 'seed': seed, 'dev': best, 'published': score(list(range(len(test)))),
                      'unshared': score(unshared), 'steps': near * -(-n // BATCH),
                      'seconds': round(time.time() - start, 1), 'history': history}
            records.append(record)
            with open(args.records, 'a', encoding='utf-8') as writer:
                writer.write(json.dumps(record, ensure_ascii=False) + '\n')
            print({k: v for k, v in record.items() if k != 'history'}, flush=True)


if not args.table_only:
    if not args.data:
        parser.error('--data is needed to run anything')
    main()
table()
