"""`pet-keras train`: a model from labelled texts, unlabelled ones or both."""
import argparse
import os

from pet_keras.classifiers.kinds import class_of
from pet_keras.classifiers.methods import DEFAULT, METHODS, arguments, arguments_of, check_given
from pet_keras.cli.options import FILES, add_calibration, add_command, add_model_options, calibrates_on_texts
from pet_keras.cli.options import check_calibration, open_checkpoint, read_pile, some
from pet_keras.data.reading import FORMATS
from pet_keras.errors import UserError

_TASKS = """\
several tasks, which one model learns together:
  pet-keras train --task sentiment --labelled a.tsv --dev a.dev.tsv \\
      --task news --labelled b.tsv --dev b.dev.tsv --out my_models
The files and the pattern that stand after a --task are its own. my_models/sentiment and my_models/news are the models.

"""
_HELP = _TASKS + FILES + '\n\nmethods, of which not all take every option:\n' + '\n'.join(
    '  %-18s %s' % (name, method.line) for name, method in METHODS.items())
# The arguments that are for the command itself; those of `add_model_options`, as they are where they are not given
_NOT_COMPARED = 'Without --dev the last epoch is kept, and whether it is better than no training was not looked at.'
_OWN = {'command', 'run', 'task', 'labelled', 'unlabelled', 'dev', 'format', 'method', 'calibrate', 'calibrate_on',
        'strategy', 'workers', 'given', 'tasks', 'early', 'mixing'}
_NOT_GIVEN = {'pattern': None, 'checkpoint': None, 'causal': False, 'precision': 'float32', 'maxlen': None,
              'long': None}


class _OfTask(argparse.Action):
    """--task begins a task, and the others are of the one before them: `args.tasks` has a dict a task, `args.early` the
    first option that stands before all of them. Where there is one task, its place does not matter."""
    def __call__(self, parser, args, value, option=None):
        setattr(args, self.dest, value)
        if self.dest == 'task':
            args.tasks += ({},)
        elif not args.tasks:
            args.early = args.early or option
        args.tasks = args.tasks[:-1] + tuple(dict(task, **{self.dest: value}) for task in args.tasks[-1:])


def add_parser(commands):
    parser = add_command(commands, 'train', run, 'Trains on labelled texts (few-shot), unlabelled texts (continued '
                         'MLM pretraining) or both (semi-supervised).', _HELP)
    add = parser.add_argument
    parser.set_defaults(tasks=(), early=None)
    add('--task', required=True, action=_OfTask, help='a shipped task or a JSON file; see pet-keras task list. More '
        'than once: several tasks, see below')
    add('--method', choices=list(METHODS), default=DEFAULT, metavar='NAME', help='%s; see below (default %s)' % (
        ', '.join(METHODS), DEFAULT))
    add('--labelled', action=_OfTask, metavar='FILE', help='texts with labels; 100 are a good start')
    add('--unlabelled', action=_OfTask, metavar='FILE', help='texts of the same kind, labels not needed')
    add('--dev', action=_OfTask, metavar='FILE', help='labelled texts to choose the best epoch by')
    add('--format', choices=FORMATS, help='of the files whose ending does not say it (.txt is one)')
    add('--out', metavar='DIR', required=True, help='folder for the model; must not hold one yet')
    add('--mixing', type=float, metavar='POWER', help="of several tasks: a task's share of each batch goes as its "
        'number of texts to this power: 1, by size (default); 0, equal shares')
    add_calibration(parser, '--calibrate-on or of --unlabelled (or else of --dev, where prior counts the labels). It '
                    'is done at the end, and saved with the model')
    add('--strategy', choices=['mirrored', 'multi-worker'], help='several processes train one model: mirrored: '
        '--workers of them on this machine; multi-worker: this is the one that TF_CONFIG says, see docs/scale.md')
    add('--workers', type=int, help='with --strategy mirrored (default: one a GPU)')
    add_model_options(parser, pattern=_OfTask)
    _add_settings(parser)


def _add_settings(parser):
    """The options that say how it is trained; one that is not given is left to the classifier."""
    def add(option, **settings):
        parser.add_argument(option, default=argparse.SUPPRESS, **settings)
    add('--resume', action='store_true', help='go on with the interrupted run in --out')
    add('--epochs', type=int, help='passes over the labelled texts (default 6, of a prompt 24, a prefix 16, '
        'adapters 8; of fine-tuning more for fewer than 160 texts, 960 over their number), or over the unlabelled ones '
        'where there are no others (default 1)')
    add('--batch-size', type=int, help='texts a step (default 8, or 16 for more than 1,000 texts; twice that for '
        'labelled and unlabelled texts together)')
    add('--accumulate', type=int, metavar='N', help='N batches make one step, at the memory of one batch '
        '(default 1)')
    add('--learning-rate', type=float, help="Adam's; default 2e-5 for a base model, more for a smaller one: 8e-5 for "
        'bert-small-zh, 1.8e-4 for bert-mini-zh; of a prompt or a prefix 0.01, through an encoder and of adapters 0.001')
    add('--schedule', choices=['linear', 'constant'], help='of the learning rate: falling to 0 over the run (default), '
        'or constant (default of a prompt and of a prefix)')
    add('--prompt-learning-rate', type=float, help="of the pattern's [unused] tokens, or their encoder, where all "
        'other weights train as well (default: as theirs)')
    add('--dropout-rate', type=float, help="while training (default: what the checkpoint's config says; 0 for the "
        'shipped models, which were pretrained without)')
    add('--mask-rate', type=float, help='share of text tokens masked for the auxiliary loss (default '
        '0.15; 0 leaves it out)')
    add('--whole-words', action='store_true', help='mask whole words (jieba), not single characters')
    add('--auxiliary', choices=['text', 'all'], help='where the auxiliary loss falls: on the text '
        "(default), or on the pattern's tokens too, as in the author's scripts")
    add('--auxiliary-weight', type=number_or_none, metavar='W', help='of the auxiliary loss beside the '
        "label words' (default 1); none: one mean over both, as in the author's scripts")
    add('--labelled-share', type=number_or_none, metavar='SHARE', help='labelled texts in a batch, where '
        'there are unlabelled ones too (default 0.5); none: both mixed as they come')
    add('--patience', type=int, help='stop after so many epochs without a better dev result')
    add('--train', choices=['all', 'prompt'], help="which weights train: all, or the rows of the "
        "pattern's [unused] tokens alone (P-tuning)")
    add('--prompt-tokens', type=int, metavar='N', help='a pattern of N [unused] tokens (default 8 with --train prompt '
        "or another --prompt option, unless --pattern or the task's first pattern has some)")
    add('--prompt-where', choices=['before', 'after', 'both'], help='where they stand: before the text (default; '
        'after it for a causal model), after it, or half and half')
    add('--prompt-encoder', choices=['lstm', 'mlp'], help='reparameterise the rows while they train')
    add('--prompt-init', choices=['unused', 'random', 'words'], help="the rows' start: the tokens' own rows "
        "(default), random, or the words of the task's default pattern")
    add('--epsilon', type=float, help="of --method vat: how far a text's embeddings move (default 1)")
    add('--xi', type=float, help='of --method vat: how far they move to find the direction (default 0.1)')
    add('--vat-weight', type=float, metavar='W', help='of --method vat: of the answers that must not change, beside '
        "the labels' (default 1)")
    add('--penalty', type=float, help="on the squares of a linear classifier's weights (default: the best of some on "
        'the dev texts)')
    add('--characters', type=int, metavar='N', help='of --method bag-of-words: runs of up to N characters (1 to 10, default 2)')
    add('--triggers', type=int, metavar='N', help='of --method autoprompt: characters that are searched (default 3)')
    add('--shot-length', type=int, metavar='N', help='of --method priming: tokens a text that is shown (default '
        '24)')
    add('--seed', type=int, help='the same seed gives the same model (default 0)')


def number_or_none(text):
    return None if text == 'none' else float(text)


def run(args):
    if args.workers is not None and (args.strategy != 'mirrored' or args.workers < 1):
        raise UserError('--workers is for --strategy mirrored, and at least 1.')
    if args.strategy and '-' in [one.get(name) for one in args.tasks for name in ('labelled', 'unlabelled', 'dev')]:
        raise UserError('Standard input cannot be read by several processes: give files.')
    if args.strategy == 'mirrored' and 'TF_CONFIG' not in os.environ:  # this is none of those started here
        from pet_keras.classifiers.workers import started_here
        with started_here(args.given, args.workers):
            return _run(args)
    _run(args)


def _run(args):
    if len(args.tasks) > 1:
        return _together(args)
    if args.mixing is not None:
        raise UserError('--mixing is for several tasks: give --task more than once.')
    if not args.labelled and not args.unlabelled:
        raise UserError('Nothing to learn from: give --labelled, --unlabelled, or both.')
    check_calibration(args)
    if calibrates_on_texts(args) and not (args.calibrate_on or args.unlabelled or args.dev):
        raise UserError('--calibrate %s needs texts that the labels are not learned from: --calibrate-on, --unlabelled '
                        'or --dev.' % args.calibrate)
    kind, fixed = METHODS[args.method][:2]
    given = _given(args)
    check_given(args.method, given)
    own, fit = arguments(kind)
    if args.strategy and 'workers' not in fit:
        raise UserError('--strategy does not belong to --method %s, which learns in one go.' % args.method)
    workers = _workers(args, given)
    settings = dict(fixed, **{name: value for name, value in given.items() if name in own})
    if 'prompt_init' in own or args.checkpoint or args.causal:  # else the classifier has a default of its own
        settings['checkpoint'] = open_checkpoint(args)
    if 'prompt_init' in own:
        settings['pattern'] = _pattern(args.task, settings['checkpoint'], {**given, **fixed})
    classifier = class_of(kind)(args.task, **settings)
    if args.calibrate:
        from pet_keras.classifiers.calibration import check_method
        check_method(classifier, args.calibrate)
    pattern = getattr(classifier, 'pattern', None)  # fine-tuning has none
    print('%s; %s' % ('pattern ' + pattern.string if pattern else args.method, classifier.tuning.describe()))

    def read(path, labelled=True):
        return path and read_pile(path, classifier.task, args, labelled)
    labelled, unlabelled, dev = read(args.labelled), read(args.unlabelled, False), read(args.dev)
    others = read(args.calibrate_on, False) or unlabelled or dev
    if args.calibrate:
        texts = some(others) if calibrates_on_texts(args) else None
        given['finish'] = lambda: classifier.calibrate(texts, args.calibrate)
    classifier.fit(labelled, unlabelled, dev, verbose=1, **{k: value for k, value in given.items() if k in fit})
    if workers and not workers.is_chief:
        return
    if dev and labelled:
        _compare(classifier.history)
    elif labelled and 'epochs' in fit:
        print(_NOT_COMPARED)
    print('The model is in %s. Try:  pet-keras predict --model %s FILE' % (args.out, args.out))


def _given(args):
    """The settings that were given, a dict."""
    return {name: value for name, value in vars(args).items()
            if name not in _OWN and (name, value) not in _NOT_GIVEN.items()}


def _workers(args, given):
    """The Workers of --strategy, which become one of the settings; None without."""
    if args.strategy:
        from pet_keras.classifiers.workers import Workers
        given['workers'] = Workers.join(args.strategy == 'mirrored')
    return given.get('workers')


def _together(args):
    """Several tasks, one model."""
    from pet_keras.classifiers.multi_task import MultiTaskClassifier
    from pet_keras.cloze.task import Task
    kind, fixed = METHODS[args.method][:2]
    own, fit = arguments_of(MultiTaskClassifier)
    if args.early:
        raise UserError('%s stands before the first --task; put it after the one that it is of.' % args.early)
    if kind != 'cloze':
        raise UserError('--method %s learns one task at a time.' % args.method)
    given = dict(fixed, **{name: value for name, value in _given(args).items() if name != 'pattern'})
    for name in list(given) + [name for name in ('calibrate', 'calibrate_on') if getattr(args, name)]:
        if name not in own | fit | {'causal'}:
            raise UserError('--%s is for one task at a time.' % name.replace('_', '-'))
    workers = _workers(args, given)
    tasks = [Task.load(one['task']) for one in args.tasks]
    given.update(checkpoint=open_checkpoint(args), patterns={
        task.name: one.get('pattern') for task, one in zip(tasks, args.tasks)})
    together = MultiTaskClassifier(tasks, **{name: value for name, value in given.items() if name in own})
    for name, one in together.classifiers.items():
        print('%s: pattern %s' % (name, one.pattern.string))
    print(together.tuning.describe())
    texts = [{task.name: read_pile(one[which], task, args, which != 'unlabelled')
              for task, one in zip(tasks, args.tasks) if one.get(which)} for which in ('labelled', 'unlabelled', 'dev')]
    together.fit(*texts, mixing=1. if args.mixing is None else args.mixing, verbose=1,
                 **{name: value for name, value in given.items() if name in fit})
    if workers and not workers.is_chief:
        return
    if texts[2]:
        _compare(together.history, 'The mean dev accuracy')
    elif texts[0]:
        print(_NOT_COMPARED)
    folders = [os.path.join(args.out, name) for name in together.classifiers]
    print('The models are in %s. Try:  pet-keras predict --model %s FILE' % (', '.join(folders), folders[0]))


def _compare(history, figure='Dev accuracy'):
    """Says whether the training was of use by the dev texts."""
    before, best = history[0], max(history, key=lambda record: (record['dev_accuracy'], record['dev_log_likelihood']))
    if before['epoch']:  # it learns in one go
        print('Dev accuracy %.2f%%.' % best['dev_accuracy'])
    elif best is before:
        print('No epoch was better on the dev texts than the untrained model (%.2f%%), which is kept: try more texts, '
              'another pattern or another learning rate.' % before['dev_accuracy'])
    else:
        print('%s %.2f%% (epoch %d), before training %.2f%%.' % (
            figure, best['dev_accuracy'], best['epoch'], before['dev_accuracy']))


def _pattern(task, checkpoint, given):
    """The pattern that --pattern or the --prompt options in `given` ask for, as a string; None: the task's default."""
    from pet_keras.cloze.prompt_pattern import prompt_pattern, unused_tokens
    from pet_keras.cloze.task import Task
    task, asked, pattern = Task.load(task), 'prompt_tokens' in given or 'prompt_where' in given, given.get('pattern')
    if pattern and asked:
        raise UserError('--pattern and --prompt-tokens both give a pattern: leave one out.')
    wanted = given.get('train') == 'prompt' or {'prompt_encoder', 'prompt_init', 'prompt_learning_rate'} & set(given)
    if not asked and (not wanted or pattern or unused_tokens(task.pattern(None, checkpoint.is_causal).string)):
        return pattern
    where = given.get('prompt_where') or ('after' if checkpoint.is_causal else 'before')
    pattern = prompt_pattern(given.get('prompt_tokens', 8), where, checkpoint.is_causal, texts=task.slots.texts)
    words = ''.join(word for words in task.verbalizer.words.values() for word in words)
    if set(unused_tokens(words)) & set(unused_tokens(pattern)):
        raise UserError('The label words of task %s are [unused] tokens that the prompt would take too: give a '
                        '--pattern of other ones.' % task.name)
    return pattern
