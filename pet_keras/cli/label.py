"""`pet-keras label`: labels for a pile of texts, given in a browser, and the model that learns from them."""
import os
import sys

from pet_keras.checkpoints.shipped import DEFAULT
from pet_keras.cli.options import add_command, add_model_options, check_serve_extra, read_texts
from pet_keras.data.reading import FORMATS
from pet_keras.errors import UserError

EXAMPLE = """\
  pet-keras label reviews.txt --task sentiment --out my_labels
  pet-keras label messages.txt --labels 投诉,咨询,表扬 --out my_labels

It opens a page that shows the text most worth labelling next. Every answer is on disk before the next text is shown:
Ctrl-C, or a kill, loses nothing, and the same command goes on. The model learns in the background.

In --out: labels.tsv (for pet-keras train --labelled), answers.jsonl (all that was said, with its time), curve.jsonl,
task.json, and model, a folder for pet-keras predict --model."""


def add_parser(commands):
    parser = add_command(commands, 'label', run, 'Labels for texts, given in a browser; it shows those first that the '
                         'model learns most from.', EXAMPLE)
    add = parser.add_argument
    add('texts', metavar='TEXTS', help='texts without labels: plain text (one a line), TSV, CSV or JSON')
    which = parser.add_mutually_exclusive_group()
    which.add_argument('--task', help='a shipped task or a JSON file; see pet-keras task list')
    which.add_argument('--labels', metavar='LABEL,LABEL', help='makes a task: 好评,差评 or, with the words that say '
                       'them, 好评=好,差评=差; the page proposes patterns, unless --pattern gives one (default: asked '
                       'for on the page)')
    add('--labelled', metavar='FILE', help='texts that have labels already')
    add('--out', metavar='DIR', required=True, help='folder of this session: answers, labels.tsv, model')
    add('--strategy', metavar='NAME', default='mix', help='which text is shown next: mix (uncertain ones that differ '
        'from each other), margin, entropy, least-confidence, k-centre, cluster or random (default mix)')
    add('--every', type=int, default=10, metavar='N', help='the model learns anew after so many labels (default 10)')
    add('--train', choices=['all', 'prompt'], default='all', help='which weights learn: all, or a prompt (default all)')
    add('--seed', type=int, default=0, help='of the training and of all that is drawn (default 0)')
    add('--port', type=int, default=8001, help='(default 8001; 0: any that is free)')
    add('--no-browser', action='store_true', help='only say where the page is')
    add('--format', choices=FORMATS, help='of the files whose ending does not say it')
    add_model_options(parser)


def run(args):
    from pet_keras.serving.http import listen, make_server, serve, url_of
    if args.long:
        raise UserError('--long is for predict and evaluate; while labelling, the beginning of a text is read.')
    if args.every < 1 or args.seed < 0 or (args.maxlen or 1) < 1:
        raise UserError('--every and --maxlen are at least 1, --seed is 0 or more.')
    check_serve_extra('label')
    from pet_keras.classifiers.active.strategies import STRATEGIES
    from pet_keras.serving.labelling.app import build_app
    from pet_keras.serving.labelling.background import Background
    from pet_keras.serving.labelling.board import Board
    from pet_keras.serving.labelling.desk import Desk
    if args.strategy not in STRATEGIES:
        raise UserError('No --strategy %s; choose one of %s.' % (args.strategy, ', '.join(STRATEGIES)))
    task, words = _task(args)
    with listen('127.0.0.1', args.port) as server_socket:
        session = _open(args, task, words)
        desk = Desk(session, seed=args.seed)
        board = Board(session, desk)
        app = build_app(session, desk, board, args.strategy, words)
        server = make_server(app, 30)

        def fail():
            server.should_exit = True
        board.on_failure = fail
        options = {name: getattr(args, name) for name in (
            'causal', 'pattern', 'precision', 'train', 'strategy', 'every', 'seed')}
        options.update(checkpoint=args.checkpoint or DEFAULT, maxlen=args.maxlen or 128, settings={})
        board.learner = Background(board.take, session.examples, args.out, options)
        if session.task is not None:
            board.begin(session.task)
        url = url_of(server_socket)
        print('%d texts, %d labelled. Label at %s (Ctrl-C ends it)' % (
            len(session.examples), len(session.labelled()), url), flush=True)
        if not args.no_browser:
            import webbrowser
            webbrowser.open(url)
        serve(server, server_socket, board.learner)
    _end(session, board)


def _task(args):
    """(the Task of --task, or of --labels and --pattern, or None; dict label → words, of --labels)."""
    from pet_keras.cloze.task import Task
    from pet_keras.serving.labelling.tasks import make_task, parse_labels
    if args.task:
        task = Task.load(args.task)
        if args.pattern:
            task.pattern(args.pattern)
        return task, None
    if not args.labels:
        return None, None
    words = parse_labels(args.labels)
    return make_task(words, args.pattern) if args.pattern else None, words


def _open(args, task, words):
    """The Session of --out, with the texts and labels of the files, and its task where there is one by now."""
    from pet_keras.cloze.task import Task
    from pet_keras.serving.answers import check_servable
    from pet_keras.serving.labelling.session import Session
    kept = os.path.join(args.out, 'task.json')
    task = task or (Task.load(kept) if os.path.exists(kept) else None)
    if task is not None:
        check_servable(task)
    examples = read_texts(args.texts, task, args, False)
    if args.labelled:
        if task is None:
            raise UserError('--labelled has labels of a task: say which, with --task, or with --labels and --pattern.')
        examples += read_texts(args.labelled, task, args)
    if words and task is not None and list(words) != task.labels:
        raise UserError('%s was begun with the labels %s, not %s: choose another --out.' % (
            args.out, ', '.join(task.labels), ', '.join(words)))
    session = Session(args.out, examples)
    try:
        if task is not None:
            session.use(task)
    except UserError:
        session.close()
        raise
    return session


def _end(session, board):
    """Writes the table, and says what there is; UserError where the learner could not begin."""
    labels = len(session.labelled())
    if session.task is not None and labels:
        path = session.write_table()
        print('%d labels are in %s. The same command goes on.' % (labels, path), file=sys.stderr)
        if board.model_folder():
            print('The model in %s %s.' % (board.model_folder(), 'learned from %d of them' % board.model['labels']
                                           if board.model else 'is of an earlier time'), file=sys.stderr)
    session.close()
    if board.has_ended and not board.is_ready:
        raise UserError(board.problem)
