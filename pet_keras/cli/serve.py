"""`pet-keras serve`: models over HTTP, and a page to try them in."""
import os
import sys

from pet_keras.cli.options import add_command, add_engine_option, add_model_options, check_onnx
from pet_keras.cli.options import check_serve_extra, open_classifier
from pet_keras.errors import UserError

EXAMPLE = """\
  pet-keras serve --task sentiment
  pet-keras serve --model my_model --model headlines=headline_prompt
  pet-keras serve --engine onnx --model my_onnx

The page is at http://127.0.0.1:8000/, what programs may ask at http://127.0.0.1:8000/docs. From another shell:
  curl -H 'Content-Type: application/json' -d '{"model": "sentiment", "texts": ["房间很干净"]}' \\
       http://127.0.0.1:8000/v1/classify

Other machines may ask only with a key of --api-key-file. Ctrl-C or SIGTERM ends it, once all that it accepted is
answered."""


def add_parser(commands):
    parser = add_command(commands, 'serve', run, 'Answers over HTTP, and a page to try models in.', EXAMPLE)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument('--model', metavar='[NAME=]DIR', action='append', help='a folder that pet-keras train wrote, '
                       "once or several times (NAME: default the folder's); prompts of one checkpoint share it")
    which.add_argument('--task', help='zero-shot: a shipped task or a JSON file; see pet-keras task list')
    add_model_options(parser)
    add_engine_option(parser)
    parser.add_argument('--host', default='127.0.0.1', help='the address to listen on; 0.0.0.0 is all (default '
                        '127.0.0.1: this machine alone)')
    parser.add_argument('--port', type=int, default=8000, help='(default 8000)')
    parser.add_argument('--api-key-file', metavar='FILE', help='keys, one a line: a request must send one of them, '
                        'Authorization: Bearer KEY')
    parser.add_argument('--batch-size', type=int, default=32, help='texts, of all clients, that run together '
                        '(default 32)')
    parser.add_argument('--queue', type=int, default=256, help='texts that may wait; more are refused with 503 '
                        '(default 256)')
    parser.add_argument('--timeout', type=int, default=30, help='seconds a request may take, waiting included '
                        '(default 30)')
    parser.add_argument('--max-text', type=int, default=2000, help='characters a text (default 2000)')
    parser.add_argument('--max-texts', type=int, default=64, help='texts a request (default 64)')


def run(args):
    from pet_keras.serving.guard import read_keys
    from pet_keras.serving.http import check_host, listen, make_server, serve, url_of
    _check(args)
    keys = read_keys(args.api_key_file) if args.api_key_file else []
    check_host(args.host, keys)
    folders = folders_of(args.model or [])
    with listen(args.host, args.port) as server_socket:  # before the models: a taken port is seen at once
        from pet_keras.serving.answers import warm_up
        from pet_keras.serving.app import build_app
        from pet_keras.serving.batcher import Batcher
        from pet_keras.serving.metrics import Metrics
        engines, metrics = _engines(args, folders), Metrics()
        warm_up(engines)
        batcher = Batcher(args.batch_size, args.queue, metrics.observe_batch)
        app = build_app(engines, batcher, metrics, args.timeout, args.max_text, args.max_texts, keys)
        print('%s answers at %s (Ctrl-C ends it)' % (', '.join(engines), url_of(server_socket)), flush=True)
        serve(make_server(app, args.timeout), server_socket, batcher)
    print('Stopped; all that was accepted is answered.', file=sys.stderr)


def folders_of(models):
    """--model's values → dict name → folder; UserError for a name that is given twice."""
    found = {}
    for value in models:
        name, equals, folder = value.partition('=')
        if not equals or os.path.isdir(value):
            folder = value
            name = os.path.basename(os.path.abspath(value))
        if not name or name in found:
            raise UserError('--model %s: %s; write NAME=%s.' % (
                value, 'another model has the name %r' % name if name else 'it has no name', folder))
        found[name] = folder
    return found


def _engines(args, folders):
    """The models to serve, by name."""
    if args.engine == 'onnx':  # without TensorFlow, which takes seconds to import
        from pet_keras.serving.onnx_engine import load_onnx_engines
        return load_onnx_engines(folders, args.batch_size)
    from pet_keras.serving.engines import ClassifierEngine, load_engines
    if args.task:
        classifier = open_classifier(args)
        return {classifier.task.name: ClassifierEngine(classifier, args.batch_size)}
    given = [name for name in ('pattern', 'maxlen', 'long', 'causal') if getattr(args, name)]
    if given:
        raise UserError('--%s belongs to --task; a model folder has its own.' % given[0])
    return load_engines(folders, args.checkpoint, args.precision, args.batch_size)


def _check(args):
    """Raises UserError for a number out of range, or where FastAPI is missing."""
    check_serve_extra('serve')
    if args.engine == 'onnx':
        check_onnx(args)
    for name in ('batch_size', 'queue', 'timeout', 'max_text', 'max_texts'):
        if getattr(args, name) < 1:
            raise UserError('--%s is at least 1.' % name.replace('_', '-'))
    if args.max_texts > args.queue:
        raise UserError('--max-texts %d: a request of so many texts never finds room in --queue %d.' % (
            args.max_texts, args.queue))
