"""`pet-keras data`: few-shot splits as files, and what is wrong with files of texts."""
import json
import sys

from pet_keras.cli.options import FILES, add_actions, add_command
from pet_keras.data.reading import FORMATS
from pet_keras.errors import UserError

EXAMPLES = """\
  pet-keras data sample reviews.tsv --per-label 16 --seeds 5 --dev 16 --out splits
  pet-keras data check splits/train_0.tsv splits/dev_0.tsv test.tsv unlabelled.txt"""


def add_parser(commands):
    actions = add_actions(commands, 'data', 'sample|check', 'Few-shot splits as files; repeats, leaks and bad rows in '
                          'files of texts.', EXAMPLES)
    _add_sample(actions)
    _add_check(actions)


def _add_sample(actions):
    parser = add_command(actions, 'sample', _sample, 'Draws lines of a file by seeds: the same files everywhere, with '
                         'checksums.', FILES)
    add = parser.add_argument
    add('file', metavar='FILE', help='labelled texts')
    add('--out', metavar='DIR', required=True, help='where train_<seed>, dev_<seed> and splits.json go')
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument('--per-label', type=int, metavar='N', help='so many texts of each label')
    size.add_argument('--total', type=int, metavar='N', help='so many texts in all')
    add('--stratified', action='store_true', help="with --total: in the file's shares of the labels")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument('--seeds', type=int, metavar='K', help='the seeds 0 to K-1')
    seeds.add_argument('--seed', type=int, metavar='S', help='one seed (default 0)')
    add('--dev', type=int, default=0, metavar='N', help='a second sample without texts of the first, of so many a '
        'label or in all, as that')
    add('--without', nargs='+', action='extend', default=[], metavar='FILE', help='texts that stand here are not drawn')
    add('--unlabelled', action='store_true', help='FILE has no labels')
    _add_reading(add)


def _add_check(actions):
    parser = add_command(actions, 'check', _check, 'Bad rows, repeats, contradicting labels, balance, and texts that '
                         'files share.', FILES)
    add = parser.add_argument
    add('files', nargs='+', metavar='FILE', help='e.g. train, dev, test and unlabelled texts; - reads standard input')
    add('--maxlen', type=int, default=128, help='over-long: characters and special tokens are more (default 128)')
    add('--near', type=float, default=0.8, help='near duplicates: the sets of character bigrams overlap by so much '
        '(default 0.8); 0 does not count them')
    add('--json', action='store_true', help='print everything as one JSON object')
    add('--strict', action='store_true', help='exit with 1 if a row is empty or malformed, a text is repeated, nearly '
        'so too, shared, or has several labels')
    _add_reading(add)


def _add_reading(add):
    add('--task', help='a shipped task or a JSON file: its labels and their aliases, and whether it takes pairs')
    add('--format', choices=FORMATS, help='of the files, where the ending does not say it')


def _task(args):
    from pet_keras.cloze.task import Task
    return Task.load(args.task) if args.task else None


def _sample(args):
    from pet_keras.data.sampling import sample
    seeds = [args.seed or 0] if args.seeds is None else range(args.seeds)
    record = sample(args.file, args.out, args.per_label, args.total, args.stratified, seeds, args.dev, _task(args),
                    args.without, not args.unlabelled, args.format)
    for one in record['files']:
        print('%s  %s  %d texts%s' % (one['sha256'][:12], one['file'], one['texts'], ''.join(
            ', %s %d' % pair for pair in one['labels'].items())))
    if args.without:
        print('%d texts of the other files were left out.' % record['left_out']['texts'])


def _check(args):
    from pet_keras.data.checking import check
    report = check(args.files, _task(args), args.maxlen, args.near or None, args.format,
                   lambda line: print(line, file=sys.stderr))
    print(json.dumps(report, ensure_ascii=False) if args.json else '\n'.join(_lines(report, args.maxlen)))
    faults = _faults(report)
    if args.strict and faults:
        raise UserError('--strict: %d finding%s.' % (faults, 's' * (faults > 1)))


def _faults(report):
    """How many findings are faults: over-long texts, blank lines and balance are not."""
    named = [one[name] for one in report['files'] for name in ('empty', 'malformed', 'repeated', 'conflicting', 'near')]
    named += [found for one in report['shared'] for found in (one, one['near'])]
    return sum(found['count'] for found in named if found)


def _lines(report, maxlen):
    """The report for people."""
    for one in report['files']:
        yield '%s: %d texts in %d lines (%s, SHA-256 %s…)' % (
            one['file'], one['texts'], one['lines'], one['format'], one['sha256'][:12])
        if one['labels']:
            yield '  labels: ' + ', '.join('%s %d (%.1f %%)' % (label, n, 100. * n / one['texts'])
                                           for label, n in one['labels'].items())
        if one['unlabelled']:
            yield '  without a label: %d' % one['unlabelled']
        for name, said in (('blank', 'blank lines'), ('empty', 'empty texts'), ('malformed', 'malformed rows'),
                           ('over_long', 'over-long texts (more than %d with special tokens)' % maxlen)):
            if one[name]['count']:
                yield from _places(said, one[name])
        for name, said in (('repeated', 'repeat an earlier line'), ('conflicting', 'texts have several labels'),
                           ('near', 'have a near duplicate in this file')):
            if one[name] and one[name]['count']:
                yield from _pairs('  %d %s' % (one[name]['count'], said), one[name]['examples'])
    if len(report['files']) > 1 and not report['shared']:
        yield 'The files share no text.'
    for one in report['shared']:
        total = next(file['texts'] for file in report['files'] if file['file'] == one['file'])
        yield from _pairs('%s: %d of %d also stand in %s' % (one['file'], one['count'], total, one['other']),
                          one['examples'])
        if one['other_label']['count']:
            yield from _pairs('  %d with another label there' % one['other_label']['count'],
                              one['other_label']['examples'])
        if one['near'] and one['near']['count']:
            yield from _pairs('  %d more nearly stand there' % one['near']['count'], one['near']['examples'])
    if report['near']:
        yield 'Near duplicates overlap by %g or more in their character bigrams.' % report['near']
    else:
        yield 'Near duplicates were not counted. ' + report.get('near_problem', '')


def _places(said, found):
    more = ', …' if found['count'] > len(found['lines']) else ''
    if isinstance(found['lines'][0], dict):
        yield '  %d %s' % (found['count'], said)
        yield from ('    line %(line)d: %(problem)s' % place for place in found['lines'])
    else:
        yield '  %d %s: line %s%s' % (found['count'], said, ', '.join(map(str, found['lines'])), more)


def _pairs(said, examples):
    yield said
    for one in examples:
        other = _short(one['other_text'])
        nearly = '' if one['text'] == one['other_text'] else '  ~ %.2f ~  %s' % (one['overlap'], other)
        labels = ' (%s, %s)' % (one['label'], one['other_label']) if one['label'] != one['other_label'] else ''
        yield '    line %d, %d: %s%s%s' % (one['line'], one['other_line'], _short(one['text']), labels, nearly)


def _short(text):
    text = text.replace('\n', ' | ')
    return text if len(text) <= 40 else text[:40] + '…'
