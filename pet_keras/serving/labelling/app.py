"""The HTTP application of a labelling session. Everything that changes it is a POST of JSON, which no other site's
page can send."""
import os

from pet_keras.errors import UserError
from pet_keras.serving.guard import Guard, Refusal
from pet_keras.serving.labelling.session import Conflict
from pet_keras.serving.labelling.tasks import make_task, parse_labels
from pet_keras.serving.labelling.views import list_of, proposals_of, state_of, view_of
from pet_keras.serving.metrics import Metrics
from pet_keras.serving.web import add_errors, add_page

PAGES = {'/': ('label.html', 'text/html'), '/common.js': ('common.js', 'text/javascript'),
         '/say.js': ('say.js', 'text/javascript'), '/curve.js': ('curve.js', 'text/javascript'),
         '/label.js': ('label.js', 'text/javascript'), '/page.css': ('page.css', 'text/css'),
         '/label.css': ('label.css', 'text/css')}
_ASKED = ('/v1/state', '/v1/next', '/v1/answer', '/v1/undo', '/v1/texts', '/v1/proposals', '/v1/task', '/v1/finish')
_BODY, _TIMEOUT = 2 ** 20, 30.


def build_app(session, desk, board, strategy='mix', words=None):
    """A FastAPI application, guarded: see Guard; this machine alone may ask.

    Arguments: `session`, `desk`, `board`, whose learner is started; `strategy`, its name, to be shown; `words`, dict
    label → words, given before there is a task.
    """
    from fastapi import FastAPI
    from fastapi.responses import JSONResponse
    from pydantic import BaseModel, ConfigDict, Field
    app = FastAPI(title='pet_keras label', docs_url=None, redoc_url=None, openapi_url=None)
    add_errors(app)
    known = {'words': words}

    class Body(BaseModel):
        model_config = ConfigDict(extra='forbid')

    class Window(Body):
        window: str = Field(min_length=1, max_length=64)

    class Answer(Window):
        id: str
        label: str
        before: str | None = None

    class Undo(Window):
        id: str

    class Labels(Body):
        labels: str = Field(max_length=10000)

    class NewTask(Labels):
        pattern: str = Field(max_length=1000)

    def state():
        return state_of(session, board, strategy, session.folder, known['words'])

    def shown(window, place=None):
        """The state and the text that a window shows."""
        if session.task is None:
            return {'state': state(), 'text': None}
        place = desk.next(window) if place is None else place
        return {'state': state(), 'text': None if place is None else view_of(session, board, place)}

    def place_of(key):
        if key not in session.index:
            raise Refusal(404, 'There is no such text: the file has changed. Reload the page.')
        return session.index[key]

    @app.exception_handler(Conflict)
    async def conflict(request, e):
        return JSONResponse({'error': {'message': 'This text was answered in another window meanwhile.'}}, 409)

    @app.exception_handler(OSError)
    async def full(request, e):
        return JSONResponse({'error': {'message': 'It is not saved, and does not count: %s.' % (
            e.strerror or e)}}, 507)

    @app.get('/v1/state')
    def get_state(window: str = ''):
        desk.heard(window)
        return {'state': state()}

    @app.post('/v1/next')
    def get_next(request: Window):
        return shown(request.window)

    @app.post('/v1/answer')
    def answer(request: Answer):
        place_of(request.id)
        session.answer(request.id, request.label, request.before)
        board.tell()
        return shown(request.window)

    @app.post('/v1/undo')
    def undo(request: Undo):
        place = place_of(request.id)
        session.undo(request.id)
        board.tell()
        desk.hold(request.window, place)
        return shown(request.window, place)

    @app.get('/v1/texts')
    def texts(search: str = '', labelled: bool = False, start: int = 0):
        return list_of(session, board, search, labelled, max(0, start))

    @app.post('/v1/proposals')
    def ask_for_proposals(request: Labels):
        known['words'] = parse_labels(request.labels)
        board.ask_for_patterns(known['words'])
        return proposals_of(session, board, known['words'])

    @app.get('/v1/proposals')
    def get_proposals():
        return proposals_of(session, board, known['words'])

    @app.post('/v1/task')
    def set_task(request: NewTask):
        if session.task is not None:
            raise Conflict()
        name = os.path.basename(os.path.abspath(session.folder))
        session.use(make_task(parse_labels(request.labels), request.pattern, name))
        board.begin(session.task)
        return {'state': state()}

    @app.post('/v1/finish')
    def finish(request: Window):
        if len(set(session.labelled().values())) < 2:
            raise UserError('A model needs texts of two labels or more.')
        session.write_table()
        board.tell(finish=True)
        return {'state': state()}

    for path, (name, media_type) in PAGES.items():
        add_page(app, path, name, media_type)
    return Guard(app, Metrics(), _ASKED + tuple(PAGES), _BODY, _TIMEOUT)
