"""`/openapi.json` and the pages that show it, `/docs` and `/redoc`, for operators."""

from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from app.health.access import require_operator

_PATH = "/openapi.json"


async def openapi(request: Request) -> Response:
    """Return the OpenAPI document."""
    require_operator(request)
    return JSONResponse(request.app.openapi())


async def swagger(request: Request) -> Response:
    """Return the document as a page on which requests can be tried."""
    require_operator(request)
    return get_swagger_ui_html(openapi_url=_PATH, title=request.app.title)


async def redoc(request: Request) -> Response:
    """Return the document as a page to read."""
    require_operator(request)
    return get_redoc_html(openapi_url=_PATH, title=request.app.title)


router = Router([Route(_PATH, openapi), Route("/docs", swagger), Route("/redoc", redoc)])
