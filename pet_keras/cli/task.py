"""`pet-keras task`: the shipped tasks, and how a task reads."""
from pet_keras.cli.options import add_actions, add_command


def add_parser(commands):
    actions = add_actions(commands, 'task', 'list|show', 'The shipped tasks, and how a task reads with its patterns '
                          'filled in.')
    add_command(actions, 'list', list_tasks, 'names')
    show = add_command(actions, 'show', show_task, 'everything about one')
    show.add_argument('name', help='a shipped task or a JSON file')


def list_tasks(args):
    from pet_keras.cloze.task import OTHER_NAMES, Task, shipped_tasks
    for name in sorted(shipped_tasks() + list(OTHER_NAMES)):
        same = OTHER_NAMES.get(name)
        print('%-12s %s' % (name, "FewCLUE's name of the task %s." % same if same else Task.load(name).description))


def show_task(args):
    from pet_keras.cloze.task import Task
    print(Task.load(args.name).show())
