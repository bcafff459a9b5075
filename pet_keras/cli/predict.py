"""`pet-keras predict`: labels and probabilities for texts."""
import functools
import os
import sys

from pet_keras.cli.options import FILES, add_classifier_options, add_command, add_engine_option, add_ray_options
from pet_keras.cli.options import calibrate, check_calibration, check_ray, open_classifier
from pet_keras.data.reading import format_by_ending, format_of, has_format
from pet_keras.errors import UserError

RESUME = """

Files of any size are read, scored and written some rows at a time. With --out a command that was stopped goes on
where it was when it is given once more."""

_NOT_OF_THE_ANSWER = ('command', 'run', 'files', 'out', 'format', 'address', 'given')


def add_parser(commands):
    parser = add_command(commands, 'predict', run,
                         'Labels and probabilities for texts, in the format of the input.', FILES + RESUME)
    add_classifier_options(parser)
    parser.add_argument('files', nargs='+', metavar='FILE', help='texts, with or without labels; a folder stands for '
                        'the files in it; - reads standard input, one text a line')
    parser.add_argument('--out', metavar='DIR', help='write DIR/FILE instead of standard output; for plain text a '
                        'table, DIR/FILE.tsv')
    parser.add_argument('--format-out', choices=['fewclue'], help="fewclue: as its leaderboard takes it, one line of JSON "
                        "a text, with its id and its label in the benchmark's own spelling")
    add_engine_option(parser, ray='workers on all cores, or on a cluster, write DIR')
    parser.add_argument('--rows', type=int, default=10000, help='rows that are in memory at a time (default 10000)')
    add_ray_options(parser)


def run(args):
    if args.files.count('-') > 1:
        raise UserError('Standard input can be read once.')
    check_ray(args)
    check_calibration(args)
    if args.engine == 'ray' and not args.out:
        raise UserError('--engine ray writes files: say --out DIR.')
    for path in [*args.files, args.model] if args.out and os.path.isdir(args.out) else []:
        if path and os.path.isdir(path) and os.path.samefile(path, args.out):
            raise UserError('%s is where the %s: give another folder with --out.' % (
                args.out, 'model is' if path is args.model else 'texts are'))
    args.files = [file for path in args.files for file in _files(path)]
    formats = [format_of(path, args.format) for path in args.files]
    names = _names(args.out, args.files, formats) if args.out else []
    classifier = open_classifier(args)
    from pet_keras.serving.text_file import TextFile
    sources = [TextFile(path, format, classifier.task, args.format_out) for path, format in zip(args.files, formats)]
    if args.engine == 'ray' and any(source.is_copied for source in sources):
        raise UserError('--engine ray reads files, no pipes and no standard input.')
    classifier.run_eagerly = sum(source.count for source in sources) <= 2 and not args.calibrate_on
    on = TextFile(args.calibrate_on, format_of(args.calibrate_on, format_by_ending(args.calibrate_on, args.format)),
                  classifier.task) if args.calibrate_on else None
    calibrate(classifier, args, (row.example for source in ([on] if on else sources)
                                 for part in source.parts(args.rows) for row in part))
    if args.out:
        _write(args, names, sources, classifier, on)
    else:
        _print(args, sources, classifier)


def _print(args, sources, classifier):
    from pet_keras.serving.prediction_folder import predicted
    for source in sources:
        start = 0
        for rows in source.parts(args.rows):
            sys.stdout.write(predicted(classifier, source, rows, args.batch_size, start).decode('utf-8'))
            sys.stdout.flush()
            start += len(rows)


def _write(args, names, sources, classifier, on):
    from pet_keras.checkpoints.lock import FolderLock
    from pet_keras.serving.prediction_folder import PredictionFolder
    with FolderLock(args.out):
        folder = PredictionFolder(args.out, _settings(args, sources, classifier, on))
        if args.engine == 'ray':
            _write_on_ray(args, folder, dict(zip(names, sources)), classifier)
        for name, source in zip(names, sources):
            folder.write(name, source, classifier, args.rows, args.batch_size, int(sys.stdout.isatty()))
            print('%s: %d texts' % (os.path.join(args.out, name), source.count), file=sys.stderr)
        folder.close()


def _write_on_ray(args, folder, sources, classifier):
    from pet_keras.experiments.on_ray import connect
    from pet_keras.serving.on_ray import predict
    for option in ('model', 'checkpoint'):  # a worker stands in another folder
        if getattr(args, option) and os.path.exists(getattr(args, option)):
            setattr(args, option, os.path.abspath(getattr(args, option)))
    if os.path.exists(args.task or ''):
        args.task = os.path.abspath(args.task)
    ray = connect(args.address)
    try:
        predict(ray, folder, sources, functools.partial(open_classifier, args), classifier.offset.tolist(), args.rows,
                args.batch_size, args.cpus, args.gpus, lambda line: print(line, file=sys.stderr))
    finally:
        ray.shutdown()


def _files(path):
    """A file, or the files in a folder whose ending says how they are read, in the order of their names."""
    if not os.path.isdir(path):
        return [path]
    found = [os.path.join(path, name) for name in sorted(os.listdir(path))]
    found = [file for file in found if os.path.isfile(file) and has_format(file)]
    if not found:
        raise UserError('%s holds no file of texts: none ends in .tsv, .csv, .jsonl or .txt.' % path)
    return found


def _settings(args, sources, classifier, on):
    """What predictions depend on, for JSON: where it is not the same, a stopped command does not go on.

    Arguments: `on`, the TextFile that is calibrated on, or None."""
    options = {k: v for k, v in vars(args).items() if k not in _NOT_OF_THE_ANSWER}
    files = [[source.path, source.format, source.sha256] for source in sources]
    pattern = getattr(classifier, 'pattern', None)  # fine-tuning has none
    task = [classifier.task.scoring(), classifier.task.aliases, pattern and pattern.string]
    model = args.model and sorted(
        [entry.name, entry.stat().st_size, entry.stat().st_mtime_ns] for entry in os.scandir(args.model)
        if entry.is_file())  # predictions may stand in a folder below
    checkpoint = getattr(classifier, 'checkpoint', None)
    return {'options': options, 'files': files, 'model': model, 'task': task,
            'calibrated on': on and on.sha256,
            'checkpoint': checkpoint and checkpoint.fingerprint}


def _names(folder, paths, formats):
    """What the file of predictions for each file is called; UserError where two share a place, or where a file stands
    that a stopped command did not write."""
    from pet_keras.serving.prediction_folder import progress_in
    names, ours = {}, (progress_in(folder) or {'files': {}})['files']
    for path, format in zip(paths, formats):
        name, ending = os.path.splitext(os.path.basename(path))
        if path == '-':
            name, ending = 'stdin', {'json': '.jsonl'}.get(format, '.' + format)
        name += {'text': '.tsv', 'parquet': '.jsonl'}.get(format, ending)
        target = os.path.join(folder, name)
        if name in names:
            raise UserError('%s and %s would both be written to %s: give each an --out of its own.' % (
                names[name], path, target))
        if os.path.exists(target) and name not in ours:
            raise UserError('%s exists already; nothing is overwritten.' % target)
        names[name] = path
    return list(names)
