"""`pet-keras predict`: labels and probabilities for texts."""
import functools
import os
import sys

from pet_keras.cli.options import FILES, add_classifier_options, add_command, add_engine_option, calibrate
from pet_keras.cli.options import open_classifier
from pet_keras.data.reading import format_of, read_rows
from pet_keras.data.writing import write_fewclue, write_predictions
from pet_keras.errors import UserError


def add_parser(commands):
    parser = add_command(commands, 'predict', run,
                         'Labels and probabilities for texts, in the format of the input.', FILES)
    add_classifier_options(parser)
    parser.add_argument('files', nargs='+', metavar='FILE', help='texts, with or without labels; - reads standard '
                        'input, one text a line')
    parser.add_argument('--out', metavar='DIR', help='write DIR/FILE instead of standard output; for plain text a '
                        'table, DIR/FILE.tsv')
    parser.add_argument('--format-out', choices=['fewclue'], help="fewclue: as its leaderboard takes it, one line of JSON a "
                        "text, with its id and its label in the benchmark's own spelling")
    add_engine_option(parser)


def run(args):
    if args.files.count('-') > 1:
        raise UserError('Standard input can be read once.')
    formats = [format_of(path, args.format) for path in args.files]
    targets = _targets(args.out, args.files, formats) if args.out else [None] * len(formats)
    classifier = open_classifier(args)
    inputs = [read_rows(path, classifier.task, False, format) for path, format in zip(args.files, formats)]
    write = functools.partial(write_fewclue, classifier.task) if args.format_out else write_predictions
    classifier.run_eagerly = sum(map(len, inputs)) <= 2 and not args.calibrate_on
    calibrate(classifier, args, [row.example for rows in inputs for row in rows])
    if args.out:
        os.makedirs(args.out, exist_ok=True)
    for rows, format, target in zip(inputs, formats, targets):
        proba = classifier.predict_proba([r.example for r in rows], args.batch_size,
                                         verbose=int(bool(args.out) and sys.stdout.isatty()))
        if not target:
            write(sys.stdout, format, rows, classifier.labels, proba)
            continue
        _write(target, write, format, rows, classifier.labels, proba)
        print('%s: %d texts' % (target, len(rows)), file=sys.stderr)


def _targets(folder, paths, formats):
    """Where the predictions for each file go; UserError where two share a place, or something stands there."""
    targets = {}
    for path, format in zip(paths, formats):
        name, ending = os.path.splitext(os.path.basename(path))
        if path == '-':
            name, ending = 'stdin', {'json': '.jsonl'}.get(format, '.' + format)
        target = os.path.join(folder, name + ('.tsv' if format == 'text' else ending))
        if target in targets:
            raise UserError('%s and %s would both be written to %s: give each an --out of its own.' % (
                targets[target], path, target))
        if os.path.exists(target):
            raise UserError('%s exists already; nothing is overwritten.' % target)
        targets[target] = path
    return list(targets)


def _write(target, write, *predictions):
    """Writes a file whole or not at all."""
    try:
        with open(target + '.part', 'w', encoding='utf-8') as writer:
            write(writer, *predictions)
        os.replace(target + '.part', target)
    except BaseException:  # an interrupt too
        if os.path.exists(target + '.part'):
            os.remove(target + '.part')
        raise
