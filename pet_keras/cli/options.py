"""What several commands share: their options, the help on files, and the classifier that the options ask for."""
import argparse
import random

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.data.reading import FORMATS, format_by_ending, read_examples
from pet_keras.data.spool import Spool
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
    add_calibration(parser, '--calibrate-on, or else those at hand')


def add_calibration(parser, texts):
    """--calibrate and --calibrate-on; `texts` says where the texts for it come from."""
    parser.add_argument('--calibrate', choices=['prior', 'mean', 'contextual', 'pmi'], help="correct a model's taste "
                        'for some label words. contextual and pmi, of a cloze, ask the pattern without a text; prior '
                        "gives the labels equal shares, and mean takes off each label's mean score, by the texts of "
                        + texts)
    parser.add_argument('--calibrate-on', metavar='FILE', help='texts of the same kind, labels not needed')


def check_calibration(args):
    """UserError where --calibrate and --calibrate-on do not fit together."""
    if args.calibrate_on and not calibrates_on_texts(args):
        raise UserError('--calibrate-on gives texts to calibrate on: say --calibrate prior or --calibrate mean%s.' % (
            ', for --calibrate %s needs none' % args.calibrate if args.calibrate else ' as well'))


def calibrates_on_texts(args):
    """Whether --calibrate needs texts."""
    return args.calibrate in ('prior', 'mean')


def add_model_options(parser, pattern='store'):
    """The pattern, the checkpoint and the length; `pattern`, the action of the first, None where there is to be none."""
    if pattern:
        parser.add_argument('--pattern', action=pattern, help='a name in the task, or a pattern of your own: "[MASK]满意。{text}" '
                            "(default: the task's first; of a causal model the first whose blank comes last)")
    parser.add_argument('--checkpoint', help='a shipped model, a folder or file of weights, or hf:owner/name '
                        '(default %s); with --model: where the checkpoint of a prompt is now' % DEFAULT)
    parser.add_argument('--causal', action='store_true', help='the checkpoint is a left-to-right language model '
                        '(NEZHA-GPT); the shipped GPT and the gpt families are known')
    parser.add_argument('--precision', choices=['float32', 'bfloat16', 'auto'], default='float32', help='of products: '
                        'bfloat16 is less exact; auto takes it where the processor is faster with it (default float32)')
    parser.add_argument('--maxlen', type=int, help='longest sequence in tokens; longer texts are cut (default 128)')
    parser.add_argument('--long', choices=['head', 'tail', 'windows'], help='of a longer text: read its beginning '
                        '(default), its end, or all of it in overlapping windows, whose scores are averaged')


def add_engine_option(parser, **others):
    """What runs the model; `others`, what some more engines of this command do, by name."""
    more = ''.join('; %s: %s' % pair for pair in others.items())
    parser.add_argument('--engine', choices=['tensorflow', 'onnx', *others], default='tensorflow', help='onnx: --model '
                        'is a folder that pet-keras export wrote%s (default tensorflow)' % more)


def add_ray_options(parser, one='worker', gpus=True):
    """Where `--engine ray` works, and what each worker, or whatever `one` is, has."""
    add = parser.add_argument
    add('--address', help='with --engine ray: of the cluster (default: one of its own, here)')
    add('--cpus', type=int, default=1, help='with --engine ray: cores a %s (default 1)' % one)
    if gpus:
        add('--gpus', type=float, default=0, help='with --engine ray: GPUs a %s (default 0)' % one)


def check_ray(args):
    """Raises UserError for an option of --engine ray with another engine, or out of range."""
    if args.cpus < 1 or getattr(args, 'rows', 1) < 1 or getattr(args, 'gpus', 0) < 0:
        raise UserError('--cpus and --rows are 1 or more, and --gpus is no less than 0.')
    for name, default in (('address', None), ('cpus', 1), ('gpus', 0)):
        if args.engine != 'ray' and getattr(args, name, default) != default:
            raise UserError('--%s is of --engine ray.' % name)


def check_onnx(args):
    """Raises UserError for an option of --engine onnx that only TensorFlow carries out."""
    if not args.model:
        raise UserError('--engine onnx takes --model DIR, a folder that pet-keras export wrote.')
    for name in ('pattern', 'checkpoint', 'causal', 'maxlen', 'long', 'calibrate', 'calibrate_on'):
        if getattr(args, name, None):
            raise UserError('--%s has no effect on an exported model: set it before pet-keras export.' % (
                name.replace('_', '-')))
    if args.precision != 'float32':
        raise UserError('--precision is of --engine tensorflow; pet-keras export --int8 writes a less exact model.')


def check_serve_extra(command):
    """Raises UserError where what serves pages is not installed."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise UserError('pet-keras %s needs FastAPI, uvicorn and prometheus_client. Type:  pip install '
                        '"pet-keras[serve]"' % command) from None


def read_texts(path, task, args, labelled=True):
    """The Examples of a file, whose format its ending says, or else --format."""
    return read_examples(path, task, labelled, format_by_ending(path, args.format))


def read_pile(path, task, args, labelled=False):
    """The texts of a file as `read_texts` reads them, a Spool: there may be millions."""
    return Spool(path, task, format_by_ending(path, args.format), labelled)


def open_classifier(args):
    """The trained model of --model, with --engine onnx an exported one, or the untrained one of --task."""
    if getattr(args, 'engine', None) == 'onnx':
        from pet_keras.serving.onnx_classifier import OnnxClassifier
        check_onnx(args)
        return OnnxClassifier(args.model)
    if not args.model:
        return new_classifier(args, open_checkpoint(args))
    given = [name for name in ('pattern', 'maxlen', 'causal') if getattr(args, name)]
    if given:
        raise UserError('--%s belongs to --task; a model folder has its own.' % given[0])
    from pet_keras.classifiers.loading import load
    classifier = load(args.model, args.checkpoint)
    classifier.precision, classifier.long = args.precision, args.long or classifier.long
    return classifier


def calibrate(classifier, args, examples):
    """Carries out --calibrate, on `examples` without their labels."""
    if args.calibrate:
        examples = [e._replace(label=None) for e in some(examples)] if calibrates_on_texts(args) else None
        classifier.calibrate(examples, args.calibrate, batch_size=args.batch_size)


def some(texts, most=10000):
    """The texts, or so many of them, drawn at random (Vitter 1985, algorithm R): enough of millions to calibrate on."""
    drawn, rng = [], random.Random(0)
    for i, text in enumerate(texts):
        place = i if i < most else rng.randrange(i + 1)
        if place < most:
            drawn[place:place + 1] = [(i, text)]
    return [text for _, text in sorted(drawn, key=lambda one: one[0])]


def open_checkpoint(args):
    """The checkpoint of --checkpoint and --causal."""
    from pet_keras.checkpoints.checkpoint import Checkpoint
    return Checkpoint(DEFAULT if args.checkpoint is None else args.checkpoint, 'lm' if args.causal else None)


def new_classifier(args, checkpoint, **settings):
    """An untrained classifier of --task, --pattern and --maxlen."""
    from pet_keras.classifiers.cloze_classifier import ClozeClassifier
    return ClozeClassifier(args.task, checkpoint, args.pattern, args.maxlen or 128, precision=args.precision,
                           long=args.long or 'head', **settings)
