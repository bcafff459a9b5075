"""`pet-keras task`: the shipped tasks, and how a task reads."""
from pet_keras.cli.options import add_actions, add_command


def add_parser(commands):
    parser = add_command(commands, 'task', run, 'The shipped tasks, and how a task reads with its patterns filled in.')
    add_actions(parser, 'show', 'a shipped task or a JSON file')


def run(args):
    from pet_keras.cloze.task import Task, shipped_tasks
    if args.action == 'show':
        return print(Task.load(args.name).show())
    for name in shipped_tasks():
        print('%-12s %s' % (name, Task.load(name).description))
