"""The command line: `pet-keras demo | evaluate | train | predict | task | checkpoint`."""
import argparse
import json
import os
import sys

from pet_keras import __version__
from pet_keras.data.reading import FORMATS
from pet_keras.errors import UserError

_FILES = """\
FILES are TSV (.tsv, .data: text TAB label), CSV, JSON lines (.json, .jsonl) or plain text (.txt, one text a
line), in UTF-8. A first row that names columns (text, label; text_a, text_b for pairs) is understood, and so
are FewCLUE's keys. A label may be written as the task writes it or as one of its aliases (1, Positive)."""


def _parser():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog='pet-keras', formatter_class=raw,
        description='Few-shot and zero-shot Chinese text classification: a language model fills a blank.',
        epilog='Start with:\n  pet-keras demo\n  pet-keras task show sentiment\n'
               '  pet-keras evaluate --task sentiment reviews.tsv\n'
               '  pet-keras train --task sentiment --labelled reviews.tsv --out my_model\n'
               '  echo 房间很干净 | pet-keras predict --model my_model -')
    parser.add_argument('--version', action='version', version='pet-keras ' + __version__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')

    def command(name, help, epilog=None):
        return commands.add_parser(name, help=help, description=help, epilog=epilog, formatter_class=raw)

    demo = command('demo', 'The four regimes on the reviews that come with pet_keras, in about two minutes.')
    demo.add_argument('--pattern', default='P1', help='pattern of the trained regimes (default P1)')
    demo.add_argument('--seed', type=int, default=0, help='of the trained regimes (default 0)')

    evaluate = command('evaluate', 'Accuracy on labelled texts: zero-shot (--task) or of a trained model (--model).',
                       _FILES + '\n\nThe last line printed is the accuracy in percent.')
    _which_model(evaluate)
    evaluate.add_argument('file', metavar='FILE', help='labelled texts; - reads standard input')
    evaluate.add_argument('--exclude', metavar='FILE', help='leave out texts that also stand here (the training texts)')
    evaluate.add_argument('--json', action='store_true', help='print everything as one JSON object')

    predict = command('predict', 'Labels and probabilities for texts, in the format of the input.', _FILES)
    _which_model(predict)
    predict.add_argument('files', nargs='+', metavar='FILE', help='texts, with or without labels; - reads standard '
                         'input, one text a line')
    predict.add_argument('--out', metavar='DIR', help='write DIR/FILE instead of standard output')

    train = command('train', 'Trains on labelled texts (few-shot), unlabelled texts (continued MLM pretraining) or '
                    'both (semi-supervised).', _FILES)
    train.add_argument('--task', required=True, help='a shipped task or a JSON file; see pet-keras task list')
    train.add_argument('--labelled', metavar='FILE', help='texts with labels; 100 are a good start')
    train.add_argument('--unlabelled', metavar='FILE', help='texts of the same kind, labels not needed')
    train.add_argument('--dev', metavar='FILE', help='labelled texts to choose the best epoch by')
    train.add_argument('--out', metavar='DIR', required=True, help='folder for the model; must not hold one yet')
    train.add_argument('--resume', action='store_true', help='go on with the interrupted run in --out')
    train.add_argument('--epochs', type=int, default=10, help='passes over the data (default 10; a prompt alone '
                       'learns slower: take 24 or more)')
    train.add_argument('--batch-size', type=int, default=16, help='texts a step (default 16)')
    train.add_argument('--learning-rate', type=float, help="Adam's; default 2e-5 for a base model (768 wide), 1.8e-4 "
                       'for the shipped one; with --train prompt 0.01, through an encoder 0.001')
    train.add_argument('--prompt-learning-rate', type=float, help="of the pattern's [unused] tokens, or their encoder, "
                       'where all other weights train as well (default: as theirs)')
    train.add_argument('--mask-rate', type=float, default=0.15, help='share of text tokens masked (default 0.15)')
    train.add_argument('--whole-words', action='store_true', help='mask whole words (jieba), not single characters')
    train.add_argument('--patience', type=int, help='stop after so many epochs without a better dev result')
    train.add_argument('--train', choices=['all', 'prompt'], default='all', help="which weights train: all, or the "
                       "rows of the pattern's [unused] tokens alone (P-tuning)")
    train.add_argument('--prompt-tokens', type=int, metavar='N', help='a pattern of N [unused] tokens (default 8 with '
                       "--train prompt or another --prompt option, unless --pattern or the task's first pattern has some)")
    train.add_argument('--prompt-where', choices=['before', 'after', 'both'], help='where they stand: before the '
                       'text (default; after it for a causal model), after it, or half and half')
    train.add_argument('--prompt-encoder', choices=['lstm', 'mlp'], help='reparameterise the rows while they train')
    train.add_argument('--prompt-init', choices=['unused', 'random', 'words'], help="the rows' "
                       "start: the tokens' own rows (default), random, or the words of the task's first pattern")
    train.add_argument('--seed', type=int, default=0, help='the same seed gives the same model (default 0)')
    _model_options(train)

    task = command('task', 'The shipped tasks, and how a task reads with its patterns filled in.')
    _actions(task, 'a shipped task or a JSON file')
    checkpoint = command('checkpoint', 'The shipped models, and what a folder in Google\'s format holds.')
    _actions(checkpoint, 'a shipped model or a folder')
    return parser


def _actions(parser, name):
    verb = 'show' if parser.prog.endswith('task') else 'inspect'
    actions = parser.add_subparsers(dest='action', required=True, metavar='list|' + verb)
    actions.add_parser('list', help='names')
    one = actions.add_parser(verb, help='everything about one')
    one.add_argument('name', help=name)
    if verb == 'inspect':
        one.add_argument('--json', action='store_true', help='print one JSON object')


def _which_model(parser):
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument('--model', metavar='DIR', help='a folder that pet-keras train wrote')
    which.add_argument('--task', help='zero-shot: a shipped task or a JSON file; see pet-keras task list')
    _model_options(parser)
    parser.add_argument('--format', choices=FORMATS, help='of the files, where the ending does not say it')
    parser.add_argument('--batch-size', type=int, default=64, help='texts a step (default 64)')


def _model_options(parser):
    parser.add_argument('--pattern', help='a name in the task, or a pattern of your own: "[MASK]满意。{text}"')
    parser.add_argument('--checkpoint', help='a shipped model or a folder in Google\'s format (default bert-mini-zh); '
                        'with --model: where the checkpoint of a prompt is now')
    parser.add_argument('--causal', action='store_true', help='the checkpoint is a left-to-right language model '
                        '(NEZHA-GPT); the shipped GPT and the gpt families are known')
    parser.add_argument('--maxlen', type=int, help='longest sequence in tokens; longer texts are cut (default 128)')


def _classifier(args):
    """The trained model of --model, or the untrained one of --task."""
    from pet_keras.checkpoints.checkpoint import Checkpoint
    from pet_keras.classifiers.cloze_classifier import ClozeClassifier
    if getattr(args, 'model', None):
        given = [name for name in ('pattern', 'maxlen', 'causal') if getattr(args, name)]
        if given:
            raise UserError('--%s belongs to --task; a model folder has its own.' % given[0])
        return ClozeClassifier.load(args.model, args.checkpoint)
    checkpoint = Checkpoint(args.checkpoint or 'bert-mini-zh', 'lm' if args.causal else None)
    options = _prompt_options(args, checkpoint)
    return ClozeClassifier(args.task, checkpoint, args.pattern, args.maxlen or 128, **options)


def _prompt_options(args, checkpoint):
    """Reads --prompt-*; puts the pattern that they ask for into args.pattern."""
    if args.command != 'train':
        return {}
    from pet_keras.cloze.prompt_pattern import prompt_pattern, unused_tokens
    from pet_keras.cloze.task import Task
    task, given = Task.load(args.task), args.prompt_tokens is not None or args.prompt_where
    if args.pattern and given:
        raise UserError('--pattern and --prompt-tokens both give a pattern: leave one out.')
    wanted = args.train == 'prompt' or args.prompt_encoder or args.prompt_init or args.prompt_learning_rate
    if given or (wanted and not args.pattern and not unused_tokens(task.pattern().string)):
        where = args.prompt_where or ('after' if checkpoint.is_causal else 'before')
        args.pattern = prompt_pattern(8 if args.prompt_tokens is None else args.prompt_tokens, where,
                                      checkpoint.is_causal, task.is_pair)
        words = ''.join(word for words in task.verbalizer.words.values() for word in words)
        if set(unused_tokens(words)) & set(unused_tokens(args.pattern)):
            raise UserError('The label words of task %s are [unused] tokens that the prompt would take too: give a '
                            '--pattern of other ones.' % task.name)
    return {'train': args.train, 'prompt_encoder': args.prompt_encoder, 'prompt_init': args.prompt_init or 'unused',
            'seed': args.seed}


def demo(args):
    from pet_keras.cli.demo import run
    run(args.pattern, args.seed)


def evaluate(args):
    from pet_keras.data.example import without
    from pet_keras.data.reading import read_examples
    classifier = _classifier(args)
    examples = read_examples(args.file, classifier.task, format=args.format)
    if args.exclude:
        examples = without(examples, read_examples(args.exclude, classifier.task, labelled=False))
        if not examples:
            raise UserError('Every text of %s also stands in %s.' % (args.file, args.exclude))
    report = classifier.evaluate(examples, args.batch_size, verbose=int(sys.stdout.isatty() and not args.json))
    if args.json:
        return print(json.dumps(dict(report, task=classifier.task.name, pattern=classifier.pattern.string,
                                     checkpoint=classifier.checkpoint.name), ensure_ascii=False))
    print('task %s, pattern %s, model %s, %d texts' % (
        classifier.task.name, classifier.pattern.string, args.model or classifier.checkpoint.name, report['n']))
    print('%-9s %9s %7s %9s' % ('precision', 'recall', 'f1', 'texts') + '  label')
    for label, f in report['labels'].items():
        print('%9.2f %9.2f %7.2f %9d  %s' % (f['precision'], f['recall'], f['f1'], f['support'], label))
    print('accuracy %.2f' % report['accuracy'])


def predict(args):
    from pet_keras.data.reading import format_of, read_rows
    from pet_keras.data.writing import write_predictions
    if args.files.count('-') > 1:
        raise UserError('Standard input can be read once.')
    classifier = _classifier(args)
    inputs = [(f, read_rows(f, classifier.task, False, args.format), format_of(f, args.format)) for f in args.files]
    if args.out:
        os.makedirs(args.out, exist_ok=True)
    for path, rows, format in inputs:
        proba = classifier.predict_proba([r.example for r in rows], args.batch_size,
                                         verbose=int(bool(args.out) and sys.stdout.isatty()))
        if not args.out:
            write_predictions(sys.stdout, format, rows, classifier.labels, proba)
            continue
        target = os.path.join(args.out, 'stdin.txt' if path == '-' else os.path.basename(path))
        if os.path.exists(target):
            raise UserError('%s exists already; nothing is overwritten.' % target)
        with open(target + '.part', 'w', encoding='utf-8') as writer:
            write_predictions(writer, format, rows, classifier.labels, proba)
        os.replace(target + '.part', target)
        print('%s: %d texts' % (target, len(rows)), file=sys.stderr)


def train(args):
    from pet_keras.data.reading import read_examples
    if not args.labelled and not args.unlabelled:
        raise UserError('Nothing to learn from: give --labelled, --unlabelled, or both.')
    classifier = _classifier(args)
    print('pattern %s; %s' % (classifier.pattern.string, '%d rows train' % len(classifier.prompt_tokens)
                              if args.train == 'prompt' else 'all weights train'))
    read = lambda path, labelled=True: path and read_examples(path, classifier.task, labelled)  # noqa: E731
    classifier.fit(read(args.labelled), read(args.unlabelled, False), read(args.dev), epochs=args.epochs,
                   batch_size=args.batch_size, learning_rate=args.learning_rate,
                   prompt_learning_rate=args.prompt_learning_rate, mask_rate=args.mask_rate,
                   whole_words=args.whole_words, patience=args.patience, seed=args.seed, out=args.out,
                   resume=args.resume, verbose=1)
    print('The model is in %s. Try:  pet-keras predict --model %s FILE' % (args.out, args.out))


def task(args):
    from pet_keras.cloze.task import Task, shipped_tasks
    if args.action == 'show':
        return print(Task.load(args.name).show())
    for name in shipped_tasks():
        print('%-12s %s' % (name, Task.load(name).description))


def checkpoint(args):
    from pet_keras.checkpoints.checkpoint import Checkpoint, shipped_checkpoints
    if args.action == 'list':
        for name, folder in sorted(shipped_checkpoints().items()):
            print('%-14s %s' % (name, folder))
        return
    found = Checkpoint(args.name).describe()
    if args.json:
        return print(json.dumps(found, ensure_ascii=False))
    for key, value in found.items():
        print('%-13s %s' % (key.replace('_', ' '), value))


def main(argv=None):
    """Runs one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # Chinese comes out right whatever the locale
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(encoding='utf-8')
    args = _parser().parse_args(argv)
    try:
        {'demo': demo, 'evaluate': evaluate, 'predict': predict, 'train': train, 'task': task,
         'checkpoint': checkpoint}[args.command](args)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except KeyboardInterrupt:
        print('Interrupted.', file=sys.stderr)
        return 130
    except (UserError, OSError, ImportError) as e:
        print('pet-keras: error: %s' % e, file=sys.stderr)
        return 1
