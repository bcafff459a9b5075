"""The HTTP application: paths, what they answer, and how errors look."""
import asyncio

from pet_keras.errors import UserError
from pet_keras.serving.answers import predictions
from pet_keras.serving.batcher import Full
from pet_keras.serving.guard import Guard, Refusal, busy
from pet_keras.serving.metrics import Metrics
from pet_keras.serving.schemas import schemas
from pet_keras.serving.web import add_errors, add_page

PAGES = {'/': ('index.html', 'text/html'), '/docs': ('docs.html', 'text/html'),
         '/common.js': ('common.js', 'text/javascript'), '/page.js': ('page.js', 'text/javascript'),
         '/docs.js': ('docs.js', 'text/javascript'), '/page.css': ('page.css', 'text/css')}
_ASKED = ('/v1/classify', '/v1/fill', '/v1/models', '/metrics')
_OPEN = ('/healthz', '/openapi.json', *PAGES)  # without a key: they tell nothing of the models
_WHY = {400: 'not JSON', 401: 'no key, or a wrong one', 404: 'no such model', 408: 'the body did not come in time',
        413: 'too long a body', 415: 'the body is not said to be JSON', 422: 'a field, text or pattern that does not fit',
        503: 'the queue is full', 504: 'no answer within the time limit'}


def build_app(engines, batcher, metrics=None, timeout=30., max_text=2000, max_texts=64, keys=()):
    """A FastAPI application, guarded.

    Arguments:
        engines: dict name → engine, see `serving.engines`.
        batcher: the Batcher that runs them.
        metrics: the Metrics that the batcher reports to, or None.
        timeout: seconds a request may take, of which it may wait in the queue.
        max_text, max_texts: characters a text, texts a request.
        keys: list of bytes, one of which a request must send; none: see Guard.
    """
    from fastapi import FastAPI
    from fastapi.responses import Response
    metrics, shapes = metrics or Metrics(), schemas(max_text, max_texts)
    app = FastAPI(title='pet_keras', description='Classifies texts by the word that a language model puts into a '
                  'blank.', docs_url=None, redoc_url=None, openapi_url='/openapi.json')
    add_errors(app)

    def engine_of(name):
        if name not in engines:
            raise Refusal(404, 'No model %r; there are %s.' % (name[:60], ', '.join(engines)))
        return engines[name]

    async def answer(model, run, items):
        """What `run` makes of the items when their turn comes."""
        try:
            found = await asyncio.wait_for(asyncio.wrap_future(batcher.submit(run, items)), timeout)
        except Full as e:
            raise busy(e) from None
        except asyncio.TimeoutError:
            raise Refusal(504, 'No answer within %g s, the time limit.' % timeout) from None
        metrics.texts.labels(model).inc(len(items))
        return found

    def errors(*statuses):
        return {status: {'model': shapes.Error, 'description': _WHY[status]}
                for status in statuses + (401,) * bool(keys)}

    @app.post('/v1/classify', summary='Labels and probabilities for texts', response_model=shapes.Classified,
              responses=errors(400, 404, 408, 413, 415, 422, 503, 504))
    async def classify(request: shapes.Classify):
        engine, items = engine_of(request.model), []
        for texts in ([text] if isinstance(text, str) else text for text in request.texts):
            engine.check(request.model, request.pattern, texts)
            items.append((request.model, request.pattern, texts))
        labels = engine.describe(request.model)['labels']
        return {'model': request.model,
                'predictions': predictions(labels, await answer(request.model, engine.classify, items))}

    @app.post('/v1/fill', summary='The likeliest tokens of each [MASK]', response_model=shapes.Filled,
              responses=errors(400, 404, 408, 413, 415, 422, 503, 504))
    async def fill(request: shapes.Fill):
        engine = engine_of(request.model)
        if not engine.can_fill:
            raise UserError('%s was %s: it fills no blanks.' % (
                request.model, engine.describe(request.model)['kind'].replace('tuning', 'tuned')))
        from pet_keras.networks.fill import filled_text  # with TensorFlow, which what fills blanks has loaded
        blanks, = await answer(request.model, engine.fill, [(request.model, request.text, request.top)])
        return {'model': request.model, 'filled': filled_text(request.text, blanks),
                'blanks': [[{'token': token, 'probability': p} for token, p in pairs] for pairs in blanks]}

    @app.get('/v1/models', summary='The models and their labels', response_model=shapes.Models, responses=errors())
    async def models():
        return {'models': [engine.describe(name) for name, engine in engines.items()]}

    @app.get('/healthz', summary='Whether it works', response_model=shapes.Health,
             responses={503: {'model': shapes.Error, 'description': 'it does not'}})
    async def healthz():
        if not batcher.is_alive:
            raise Refusal(503, 'The thread that runs the models has ended.')
        return {'status': 'ok'}

    @app.get('/metrics', summary="Counters, in Prometheus' text format", response_class=Response,
             responses={200: {'content': {'text/plain': {}}}, **errors()})
    async def show_metrics():
        return Response(metrics.text(batcher.waiting), media_type='text/plain; version=0.0.4; charset=utf-8')

    for path, (name, media_type) in PAGES.items():
        add_page(app, path, name, media_type)
    max_body = 2 ** 16 + 2 * 6 * max_text * max_texts  # pairs; JSON may write a character in six bytes, \u6f22
    return Guard(app, metrics, _ASKED + _OPEN, max_body, timeout, keys, _OPEN, batcher.check_room)
