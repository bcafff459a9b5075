"""`pet-keras pet`: the complete PET, from labelled and unlabelled texts to one classifier."""
import contextlib
import sys

from pet_keras.cli.options import FILES, add_command, add_model_options, add_ray_options, check_ray, open_checkpoint
from pet_keras.cli.options import read_pile
from pet_keras.data.reading import FORMATS
from pet_keras.errors import UserError

EXAMPLE = """\
  pet-keras pet --task sentiment --labelled reviews.train.tsv --unlabelled reviews.unlabelled.txt \\
      --dev reviews.dev.tsv --out my_pet
  pet-keras predict --model my_pet FILE

A model a pattern learns from the labelled texts; together they label the unlabelled ones; a plain classifier learns
from these soft labels and is what --out holds. With --generations 3 (iPET) the models label texts for each other
first. Without --labelled they begin untrained (zero-shot); without --unlabelled the ensemble is all there is.

The same command goes on with a run that was interrupted; what is done is not done again.

"""


def add_parser(commands):
    parser = add_command(commands, 'pet', run, 'The complete PET or iPET: an ensemble of patterns and the classifier '
                         'distilled from it.', EXAMPLE + FILES)
    add = parser.add_argument
    add('--task', required=True, help='a shipped task or a JSON file; see pet-keras task list')
    add('--labelled', metavar='FILE', help='texts with labels')
    add('--unlabelled', metavar='FILE', help='texts of the same kind, labels not needed; a thousand or more')
    add('--dev', metavar='FILE', help='labelled texts to choose the best epochs by, and for the table at the end')
    add('--format', choices=FORMATS, help='of the files whose ending does not say it (.txt is one)')
    add('--out', metavar='DIR', required=True, help='folder for the classifier and all that led to it')
    add('--patterns', help="names in the task, P1,P3 (default: all; of a causal model those whose blank comes last)")
    add('--seeds', type=int, default=1, metavar='N', help='models a pattern (default 1)')
    add('--weights', choices=['uniform', 'accuracy'], default='uniform', help='of the models: the same, or their '
        'accuracy on the labelled texts before training (default uniform)')
    add('--generations', type=int, default=0, metavar='N', help='of iPET (default 0: PET; the paper has 3)')
    add('--temperature', type=float, default=2., metavar='T', help='of the soft labels (default 2)')
    add('--epochs', type=int, help='passes of each model over its texts (default 6)')
    add('--batch-size', type=int, help='of each model; default 8, or 16 for more than 1,000 texts')
    add('--learning-rate', type=float, help='of each model; default as in pet-keras train')
    add('--mask-rate', type=float, default=.15, help='share of text tokens masked for the auxiliary loss (default '
        '0.15; 0 leaves it out)')
    add('--distil-epochs', type=int, help="passes of the classifier over the unlabelled texts (default 6, more over "
        'fewer than 160: 960 over their number)')
    add('--distil-batch-size', type=int, help='of the classifier; default as above')
    add('--distil-learning-rate', type=float, help='of the classifier; default as above')
    add('--seed', type=int, default=0, help='the same seed gives the same classifier (default 0)')
    add('--engine', choices=['tensorflow', 'ray'], default='tensorflow', help='ray: workers on all cores, or on a '
        'cluster, label the unlabelled texts (default tensorflow)')
    add_ray_options(parser)
    add('--rows', type=int, default=10000, help='with --engine ray: texts that a worker labels at a time (default '
        '10000)')
    add_model_options(parser, pattern=None)


def run(args):
    from pet_keras.classifiers.pet.ensemble import Ensemble
    from pet_keras.classifiers.pet.pet import Pet
    check_ray(args)
    if args.engine == 'ray' and not args.unlabelled:
        raise UserError('--engine ray is for labelling the texts of --unlabelled: give some.')
    given = dict(patterns=args.patterns and args.patterns.split(','), maxlen=args.maxlen or 128, seeds=args.seeds,
                 weights=args.weights, precision=args.precision, long=args.long or 'head')
    checkpoint = open_checkpoint(args)
    if args.unlabelled:
        classifier = Pet(args.task, checkpoint, generations=args.generations, temperature=args.temperature,
                         seed=args.seed, **given)
    else:
        classifier = Ensemble(args.task, checkpoint, **given)

    def read(path, labelled=True):
        return path and read_pile(path, classifier.task, args, labelled)
    settings = {name: getattr(args, name) for name in ('epochs', 'batch_size', 'learning_rate', 'mask_rate')}
    settings.update(seed=args.seed, out=args.out, verbose=1)
    if args.unlabelled:
        settings['distillation'] = {name: getattr(args, 'distil_' + name) for name in (
            'epochs', 'batch_size', 'learning_rate')}
    else:
        settings['generations'] = args.generations
        print('No unlabelled texts: no classifier is distilled, and the ensemble is the result.')
    with _engine(args, classifier):
        classifier.fit(read(args.labelled), read(args.unlabelled, False), read(args.dev), **settings)
    _table(classifier.report)
    print('The %s is in %s. Try:  pet-keras predict --model %s FILE' % (
        'classifier' if args.unlabelled else 'ensemble', args.out, args.out))


@contextlib.contextmanager
def _engine(args, pet):
    """Within it the engine of --engine labels a Pet's texts."""
    if args.engine != 'ray':
        yield
        return
    from pet_keras.experiments.on_ray import connect
    from pet_keras.serving.on_ray import label_scores
    ray = connect(args.address)

    def scores(folder, examples):
        return label_scores(ray, folder, examples, len(pet.labels), args.precision, args.long or 'head', args.rows,
                            args.cpus, args.gpus, lambda line: print(line, file=sys.stderr))
    pet.ensemble.score_elsewhere = scores
    try:
        yield
    finally:
        ray.shutdown()


def _table(report):
    """Prints the figures on the dev texts."""
    if report:
        print('\nOn the dev texts%saccuracy    AUC' % (' ' * 18))
    generations = {row['generation'] for row in report} - {None}
    for row in report:
        name = row['name'] if row['generation'] is None or len(generations) == 1 else 'generation %d, %s' % (
            row['generation'], row['name'])
        print('%-32s %9.2f  %s' % (name, row['accuracy'], '-' if row['auc'] is None else '%.3f' % row['auc']))
