"""`pet-keras experiment`: a grid of runs from one file, its records, tables and plots."""
import os

from pet_keras.cli.options import add_command, add_ray_options, check_ray
from pet_keras.errors import UserError

EXAMPLE = """\
An experiment file (YAML or JSON):

  task: sentiment
  data:
    train: train.tsv
    dev: dev.tsv
    tests: {unseen: {file: test.tsv, leave_out: [train]}}
  labelled: 168                       # of the training file, or {per_label: 16}, or a list of these: a curve
  unlabelled: 2000
  seeds: [0, 1, 2]
  checkpoints: [bert-small-zh]
  patterns: [P1, P3]
  methods:
    zero-shot: {}
    few-shot: {learn: labelled, fit: {epochs: 6}}
    semi-supervised: {learn: [labelled, unlabelled]}
    fine-tuning: {learn: labelled, classifier: fine-tuning}
    P-tuning: {learn: labelled, prompt_tokens: 8, settings: {train: prompt}, choose: {fit.learning_rate: [0.003, 0.01]}}

Runs that have a record are skipped; an interrupted grid goes on where it stopped. What `choose` lists is chosen on the
dev texts alone: a candidate never sees a test. All keys: docs/experiments.md."""

MARKS = """\
Accuracy in %, mean ± standard deviation over the runs; ≈: not distinguishable from the most accurate of the rows with
most runs (95 % interval, bootstrap over texts and Student's t over runs), ?: tested on other texts; ◂: the best on dev,
the one to choose."""

INTERVALS = """\
Figures × 100; the interval (95 %) is of a bootstrap over texts and Student's t over runs. "Cannot be told": it holds 0."""

COSTS = """\
Medians over the runs. Times are the processors', all threads added up, so that other work beside it hardly counts: to
learn (the passes over dev texts with it), of a step of the last epoch, and of one text. Memory is the process' peak."""


def add_parser(commands):
    parser = add_command(commands, 'experiment', run, 'Runs a grid of checkpoint × task × method × pattern × labels × '
                         'seed from one file, and prints its tables.', EXAMPLE)
    add = parser.add_argument
    add('file', help='the experiment, YAML or JSON')
    add('--data', metavar='DIR', help="folder of the data files (default: the experiment file's)")
    add('--checkpoints', metavar='DIR', help="folder that the checkpoints' folders stand in (default: the current one)")
    add('--out', metavar='DIR', help='folder of the records, tables and plots (default: the file without its ending)')
    add('--engine', choices=['processes', 'ray'], default='processes', help='ray: runs go to the cores of a cluster, '
        'as many at a time as it has (default processes: here, --jobs of them)')
    add_ray_options(parser, 'run', gpus=False)
    add('--jobs', type=int, default=1, help='processes at a time; they share the cores (default 1)')
    add('--dry-run', action='store_true', help='check everything, print the runs that are missing and how long they '
        'will take, as far as one of their kind is known, and stop')
    add('--table-only', action='store_true', help='print the tables of what is there and stop')
    add('--plots', action='store_true', help='draw plots too (needs matplotlib)')


def run(args):
    from pet_keras.experiments.grid import Grid
    from pet_keras.experiments.schedule import Schedule, describe
    if args.jobs < 1:
        raise UserError('--jobs is 1 or more.')
    check_ray(args)
    grid = Grid(args.file, args.data, args.checkpoints)
    out = args.out or os.path.splitext(args.file)[0]
    if args.engine == 'ray' and not (args.dry_run or args.table_only):
        from pet_keras.experiments.on_ray import RaySchedule, connect
        schedule = RaySchedule(grid, out, connect(args.address), args.cpus)
    else:
        schedule = Schedule(grid, out, args.jobs)
    if args.dry_run:
        return _dry_run(schedule, describe)
    errors = []
    if not args.table_only:
        try:
            errors = schedule.run(lambda line: print(line, flush=True))
        except (KeyboardInterrupt, OSError):
            print('%d runs are done and kept in %s; the same command goes on.' % (
                len({record['key'] for record in schedule.found()}), out), flush=True)
            raise
    _tables(grid, schedule.found(), out, args.plots)
    if errors:
        raise UserError('%d of the runs failed; the others are done, and the next call tries these again:\n%s' % (
            len(errors), '\n'.join('- %s: %s' % (describe(job.run), said) for job, said in errors)))


def _dry_run(schedule, describe):
    schedule.check()
    missing, known, unknown, estimate = schedule.missing(), 0., 0, schedule.estimates()
    for job in missing:
        seconds = estimate(job)
        print('%s: %s' % (describe(job.run), 'not known yet' if seconds is None else '%.0f s' % seconds))
        known, unknown = known + (seconds or 0.), unknown + (seconds is None)
    print('%d runs, %.0f minutes with %d at a time%s.' % (
        len(missing), known / 60. / schedule.jobs, schedule.jobs,
        ', and %d of kinds that none is done of yet' % unknown if unknown else ''))
    if any(job.run.get('withheld') for job in missing):
        print('Runs of what `choose` decides come on top once its candidates are done.')


def _tables(grid, found, out, plots):
    from pet_keras.experiments import tables
    if not found:
        print('There is no record of these runs in %s yet.' % out)
    os.makedirs(out, exist_ok=True)
    for test in dict.fromkeys(test for record in found for test in record['tests']):
        rows = tables.rows_of(found, grid.published, test, out)
        text = '%s: %s. %s\n\n%s\n\n%s' % (grid.name, test, ' '.join(tables.notes(found, test)), MARKS,
                                           tables.markdown(rows))
        name = test.replace(' ', '_')
        _show(text, out, name + '.md')
        _write(tables.comma_separated(rows), out, name + '.csv')
        _write(tables.latex(rows), out, name + '.tex')
        _savings(rows, test, out, 'labels_saved_%s.md' % name)
        if plots:
            from pet_keras.experiments.plots import write_plots
            print('\n'.join(write_plots(rows, test, out, os.path.join(out, 'plots'))))
    _costs(found, out)
    _claims(grid, found, out)


def _costs(found, out):
    from pet_keras.experiments.costs import costs, markdown
    if found:
        _show('What each method costs. %s\n\n%s' % (COSTS, markdown(costs(found))), out, 'costs.md')


def _savings(rows, test, out, name):
    from pet_keras.experiments.savings import markdown, savings
    found = savings(rows)
    if found:
        _show('%s: how many labels in random order it takes for the same figure.\n\n%s' % (test, markdown(found)), out,
              name)


def _claims(grid, found, out):
    from pet_keras.experiments.claims import judge, markdown
    verdicts = [verdict for claim in grid.claims for verdict in judge(claim, found, out)]
    if verdicts:
        _show('%s: claims. %s\n\n%s' % (grid.name, INTERVALS, markdown(verdicts)), out, 'claims.md')


def _show(text, out, name):
    """Prints a table, and writes it to a file of the folder `out`."""
    print('\n' + text, end='')
    _write(text, out, name)


def _write(text, out, name):
    with open(os.path.join(out, name), 'w', encoding='utf-8') as writer:
        writer.write(text)
