"""`pet-keras predict`: labels and probabilities for texts."""
import os
import sys

from pet_keras.cli.options import FILES, add_classifier_options, add_command, open_classifier
from pet_keras.data.reading import format_of, read_rows
from pet_keras.data.writing import write_predictions
from pet_keras.errors import UserError


def add_parser(commands):
    parser = add_command(commands, 'predict', run,
                         'Labels and probabilities for texts, in the format of the input.', FILES)
    add_classifier_options(parser)
    parser.add_argument('files', nargs='+', metavar='FILE', help='texts, with or without labels; - reads standard '
                        'input, one text a line')
    parser.add_argument('--out', metavar='DIR', help='write DIR/FILE instead of standard output')


def run(args):
    if args.files.count('-') > 1:
        raise UserError('Standard input can be read once.')
    classifier = open_classifier(args)
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
