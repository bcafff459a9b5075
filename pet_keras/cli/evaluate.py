"""`pet-keras evaluate`: how good a model is on labelled texts."""
import json
import sys

from pet_keras.cli.options import FILES, add_classifier_options, add_command, add_engine_option, calibrate
from pet_keras.cli.options import check_calibration, open_classifier, read_pile
from pet_keras.data.example import pair_of
from pet_keras.data.spool import Spool
from pet_keras.errors import UserError


def add_parser(commands):
    parser = add_command(commands, 'evaluate', run,
                         'Accuracy on labelled texts: zero-shot (--task) or of a trained model (--model).',
                         FILES + '\n\nThe last line printed is the accuracy in percent.')
    add_classifier_options(parser)
    parser.add_argument('file', metavar='FILE', help='labelled texts; - reads standard input')
    parser.add_argument('--exclude', metavar='FILE', help='leave out texts that also stand here (the training texts)')
    add_engine_option(parser)
    parser.add_argument('--json', action='store_true', help='print everything as one JSON object')


def run(args):
    check_calibration(args)
    classifier = open_classifier(args)
    seen = set()
    if args.exclude:
        seen = {pair_of(example) for example in read_pile(args.exclude, classifier.task, args)}
    examples = Spool(args.file, classifier.task, args.format, labelled=True, keep=lambda e: pair_of(e) not in seen)
    if not examples:
        raise UserError('Every text of %s also stands in %s.' % (args.file, args.exclude))
    calibrate(classifier, args, read_pile(args.calibrate_on, classifier.task, args) if args.calibrate_on else examples)
    report = classifier.evaluate(examples, args.batch_size, verbose=int(sys.stdout.isatty() and not args.json))
    pattern = getattr(classifier, 'pattern', None)  # fine-tuning has none
    checkpoint = getattr(classifier, 'checkpoint', None)  # an exported model and a bag of words have none
    if args.json:
        return print(json.dumps(dict(report, task=classifier.task.name, pattern=pattern and pattern.string,
                                     checkpoint=checkpoint and checkpoint.name), ensure_ascii=False))
    print('task %s, %s, model %s, %d texts' % (
        classifier.task.name, 'pattern ' + pattern.string if pattern else classifier.kind,
        args.model or checkpoint.name, report['n']))
    print('%-9s %9s %7s %9s' % ('precision', 'recall', 'f1', 'texts') + '  label')
    for label, f in report['labels'].items():
        print('%9.2f %9.2f %7.2f %9d  %s' % (f['precision'], f['recall'], f['f1'], f['support'], label))
    if report['auc'] is not None:
        print('AUC %.3f (the area under the ROC curve%s: how well the scores rank; 0.5 is chance)' % (
            report['auc'], ', mean over the labels' if len(classifier.labels) > 2 else ''))
    print('accuracy %.2f' % report['accuracy'])
