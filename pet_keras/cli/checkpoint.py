"""`pet-keras checkpoint`: the shipped models, and what a checkpoint holds."""
import json

from pet_keras.cli.options import add_actions, add_command


def add_parser(commands):
    parser = add_command(commands, 'checkpoint', run,
                         'The shipped models, and what a folder in Google\'s format holds.')
    inspect = add_actions(parser, 'inspect', 'a shipped model or a folder')
    inspect.add_argument('--json', action='store_true', help='print one JSON object')


def run(args):
    from pet_keras.checkpoints.checkpoint import Checkpoint
    from pet_keras.checkpoints.shipped import shipped_checkpoints
    if args.action == 'list':
        for name, folder in sorted(shipped_checkpoints().items()):
            print('%-14s %s' % (name, folder))
        return
    found = Checkpoint(args.name).describe()
    if args.json:
        return print(json.dumps(found, ensure_ascii=False))
    for key, value in found.items():
        print('%-13s %s' % (key.replace('_', ' '), value))
