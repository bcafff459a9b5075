"""What several commands share: their options, the help on files, and the classifier that the options ask for."""
import argparse

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.data.reading import FORMATS, format_by_ending, read_examples
from pet_keras.errors import UserError

FORMATTER = argparse.RawDescriptionHelpFormatter  # keeps the lines of an epilog as they are
FILES = """\
FILES are TSV (.tsv, .data: text TAB label), CSV, JSON lines (.json, .jsonl) or plain text (.txt, one text a
line), in UTF-8, or Parquet. A first row that names columns (text, label; text_a, text_b for pairs) is understood,
and so are FewCLUE's keys. A label may be written as the task writes it or as one of its aliases (1, Positive)."""


def add_command(commands, name, run, help, epilog=None):
    """Adds a command, carried out by `run(args)`; returns its parser."""
    parser = commands.add_parser(name, help=help, description=help, epilog=epilog, formatter_class=FORMATTER)
    parser.set_defaults(run=run)
    return parser


def add_actions(commands, name, actions, help, epilog=None):
    """Adds a command of several actions, named `list|show`; returns what `add_command` adds each of them to."""
    return add_command(commands, name, None, help, epilog).add_subparsers(dest='action', required=True, metavar=actions)


def add_classifier_options(parser):
    """--model or --task, how a model is made of the latter, and how files are read."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument('--model', metavar='DIR', help='a folder that pet-keras train wrote')
    which.add_argument('--task', help='zero-shot: a shipped task or a JSON file; see pet-keras task list')
    add_model_options(parser)
    parser.add_argument('--format', choices=FORMATS, help='of the files, where the ending does not say it')
    parser.add_argument('--batch-size', type=int, default=32, help='texts a step (default 32)')
    parser.add_argument('--calibrate', choices=['prior'], help="correct a model's taste for some label words, so that "
                        'over the texts of --calibrate-on, or else those at hand, all labels have equal shares')
    parser.add_argument('--calibrate-on', metavar='FILE', help='texts of the same kind, labels not needed')


def add_model_options(parser):
    """The pattern, the checkpoint and the length."""
    parser.add_argument('--pattern', help='a name in the task, or a pattern of your own: "[MASK]满意。{text}" '
                        "(default: the task's first; of a causal model the first whose blank comes last)")
    parser.add_argument('--checkpoint', help='a shipped model, a folder or file of weights, or hf:owner/name '
                        '(default %s); with --model: where the checkpoint of a prompt is now' % DEFAULT)
    parser.add_argument('--causal', action='store_true', help='the checkpoint is a left-to-right language model '
                        '(NEZHA-GPT); the shipped GPT and the gpt families are known')
    parser.add_argument('--precision', choices=['float32', 'bfloat16', 'auto'], default='float32', help='of products: '
                        'bfloat16 is less exact; auto takes it where the processor is faster with it (default float32)')
    parser.add_argument('--maxlen', type=int, help='longest sequence in tokens; longer texts are cut (default 128)')


def open_classifier(args):
    """The trained model of --model, or the untrained one of --task."""
    if not args.model:
        return new_classifier(args, open_checkpoint(args))
    given = [name for name in ('pattern', 'maxlen', 'causal') if getattr(args, name)]
    if given:
        raise UserError('--%s belongs to --task; a model folder has its own.' % given[0])
    from pet_keras.classifiers.loading import load
    classifier = load(args.model, args.checkpoint)
    classifier.precision = args.precision
    return classifier


def calibrate(classifier, args, examples):
    """Carries out --calibrate, on the texts of --calibrate-on or on `examples`, without their labels."""
    if not args.calibrate and args.calibrate_on:
        raise UserError('--calibrate-on gives texts to calibrate on: say --calibrate prior as well.')
    if args.calibrate:
        if args.calibrate_on:
            examples = read_examples(args.calibrate_on, classifier.task, False,
                                     format_by_ending(args.calibrate_on, args.format))
        classifier.calibrate([example._replace(label=None) for example in examples], batch_size=args.batch_size)


def open_checkpoint(args):
    """The checkpoint of --checkpoint and --causal."""
    from pet_keras.checkpoints.checkpoint import Checkpoint
    return Checkpoint(DEFAULT if args.checkpoint is None else args.checkpoint, 'lm' if args.causal else None)


def new_classifier(args, checkpoint, **settings):
    """An untrained classifier of --task, --pattern and --maxlen."""
    from pet_keras.classifiers.cloze_classifier import ClozeClassifier
    return ClozeClassifier(args.task, checkpoint, args.pattern, args.maxlen or 128, precision=args.precision,
                           **settings)
