"""Access to pages for operators: `/metrics` and the API's documentation."""

from starlette.requests import Request

from app.client_address import UNIX, parse_address
from app.errors import Forbidden
from app.settings import Settings

_FORWARDED = ("x-forwarded-for", "forwarded", "x-real-ip", "via")
"""Headers of requests that came through a proxy, whose address says nothing about the client."""


def require_operator(request: Request) -> None:
    """Allow a request only if it comes from `MONITORING_NETWORKS`, and through no proxy.

    Raises:
        Forbidden: It comes from elsewhere.
    """
    forwarded = any(name in request.headers for name in _FORWARDED)
    if forwarded or not _is_operator(request):
        raise Forbidden(
            f"{request.url.path} is served to direct connections from MONITORING_NETWORKS only.",
            code="operators_only",
        )


def _is_operator(request: Request) -> bool:
    client = request.scope["client"][0]
    if client == UNIX:  # the socket's file decides who may connect
        return True
    settings: Settings = request.app.state.settings
    address = parse_address(client)
    return any(address in network for network in settings.monitoring_addresses if address)
