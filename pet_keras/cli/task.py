"""`pet-keras task`: the shipped tasks, how a task reads, and what a checkpoint will make of it."""
import json

from pet_keras.cli.options import add_actions, add_command, open_checkpoint, read_texts
from pet_keras.data.reading import FORMATS
from pet_keras.errors import UserError


def add_parser(commands):
    actions = add_actions(commands, 'task', 'list|show|lint', 'The shipped tasks, how a task reads with its patterns '
                          'filled in, and what is wrong with one.')
    add_command(actions, 'list', list_tasks, 'names')
    show = add_command(actions, 'show', show_task, 'everything about one')
    show.add_argument('name', help='a shipped task or a JSON file')
    add = add_command(actions, 'lint', lint_task, 'Where a task will do badly with a checkpoint: its label words, its '
                      "patterns and, with --unlabelled, the labels' balance. The exit status is 1 if there is an "
                      'error.').add_argument
    add('name', help='a shipped task or a JSON file')
    add('--checkpoint', help='a shipped model, a folder or hf:owner/name')
    add('--causal', action='store_true', help='the checkpoint is a left-to-right language model')
    add('--unlabelled', metavar='FILE', help='texts of the kind that will be asked about, labels not needed; 500 drawn '
        'at random are scored')
    add('--format', choices=FORMATS, help='of the file, where the ending does not say it')
    add('--maxlen', type=int, default=128, help='longest sequence in tokens (default 128)')
    add('--json', action='store_true', help='one JSON object a line')


def list_tasks(args):
    from pet_keras.cloze.task import OTHER_NAMES, Task, shipped_tasks
    for name in sorted(shipped_tasks() + list(OTHER_NAMES)):
        same = OTHER_NAMES.get(name)
        print('%-12s %s' % (name, "FewCLUE's name of the task %s." % same if same else Task.load(name).description))


def show_task(args):
    from pet_keras.cloze.task import Task
    print(Task.load(args.name).show())


def lint_task(args):
    """Prints the findings; raises UserError where there is an error among them."""
    from pet_keras.cloze.task import Task
    from pet_keras.experiments.linting import lint
    task, unlabelled = Task.load(args.name), None
    if args.unlabelled:
        unlabelled = read_texts(args.unlabelled, task, args, False)
    found = lint(task, open_checkpoint(args), unlabelled, args.maxlen)
    for one in found:
        print(json.dumps(one._asdict(), ensure_ascii=False) if args.json else '%-7s %s: %s %s' % one)
    if not found and not args.json:
        print('Nothing to say against it.')
    errors = sum(one.level == 'error' for one in found)
    if errors:
        raise UserError('%s cannot be used as it is: %d error%s.' % (args.name, errors, 's' * (errors > 1)))
