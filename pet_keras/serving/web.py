"""What every application here answers alike: its files, and how errors look."""
import os
import re

from pet_keras.errors import UserError
from pet_keras.serving.guard import Refusal, error

_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'pages')


def add_page(app, path, name, media_type):
    """A file that the application answers with."""
    from fastapi.responses import Response
    with open(os.path.join(_FOLDER, name), encoding='utf-8') as reader:
        text = reader.read()

    @app.get(path, include_in_schema=False)
    async def page():
        return Response(text, media_type=media_type + '; charset=utf-8')


def add_errors(app):
    """Every error is {"error": {"message": …}}."""
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    @app.exception_handler(RequestValidationError)
    async def invalid(request, e):
        first, *_ = e.errors()
        if first['type'] == 'json_invalid':
            return JSONResponse(error('The body is not JSON: %s.' % first['ctx']['error']), 400)
        if not re.match(r'application/([\w.-]+\+)?json\b', request.headers.get('content-type', '')):
            return JSONResponse(error('Send JSON, with the header  Content-Type: application/json'), 415)
        where = [str(part) for i, part in enumerate(first['loc']) if i == 1 or isinstance(part, int)]
        return JSONResponse(error('%s: %s' % ('.'.join(where) or 'body', first['msg'])), 422)

    @app.exception_handler(UserError)
    async def mistake(request, e):
        return JSONResponse(error(str(e)), 422)

    @app.exception_handler(Refusal)
    async def refusal(request, e):
        return JSONResponse(error(str(e)), e.status, e.headers)

    @app.exception_handler(HTTPException)
    async def http_error(request, e):
        return JSONResponse(error('%s %s: %s.' % (request.method, request.url.path[:60], e.detail)), e.status_code,
                            e.headers)

    @app.exception_handler(Exception)
    async def bug(request, e):  # Starlette raises it once more, so that it is logged
        return JSONResponse(error('The server failed; its log says why.'), 500)
