"""The command line: `pet-keras demo | evaluate | predict | train | pet | fill | experiment | patterns | data | …`."""
import argparse
import os
import sys
import warnings

from pet_keras import __version__
from pet_keras.cli import checkpoint, data, demo, evaluate, experiment, export, fill, label, patterns, pet, predict
from pet_keras.cli import serve, task, train
from pet_keras.cli.options import FORMATTER
from pet_keras.errors import UserError

# in the order of the help
COMMANDS = (demo, evaluate, predict, train, pet, label, serve, export, fill, experiment, patterns, data, task,
            checkpoint)


def build_parser():
    """The parser of all commands; each module adds its own and says what runs it."""
    parser = argparse.ArgumentParser(
        prog='pet-keras', formatter_class=FORMATTER,
        description='Few-shot and zero-shot Chinese text classification: a language model fills a blank.',
        epilog='Start with:\n  pet-keras demo\n  pet-keras task show sentiment\n'
               '  pet-keras evaluate --task sentiment reviews.tsv\n'
               '  pet-keras train --task sentiment --labelled reviews.tsv --out my_model\n'
               '  echo 房间很干净 | pet-keras predict --model my_model -')
    parser.add_argument('--version', action='version', version='pet-keras ' + __version__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv=None):
    """Runs one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # Chinese comes out right whatever the locale
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(encoding='utf-8')
    args = build_parser().parse_args(argv)
    args.given = sys.argv[1:] if argv is None else list(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: print('pet-keras: warning: %s' % message, file=sys.stderr)
            args.run(args)
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
