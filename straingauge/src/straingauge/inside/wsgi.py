"""`Inside` for WSGI applications (PEP 3333)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from straingauge.inside.metrics_page import CONTENT_TYPE
from straingauge.inside.monitor import Monitor
from straingauge.inside.request_timing import RequestTiming, current_timing

Environ = dict[str, Any]
Write = Callable[[bytes], object]
StartResponse = Callable[..., Write]
App = Callable[[Environ, StartResponse], Iterable[bytes]]


def serve(
    app: App, monitor: Monitor, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """Handle a request. The body that the application returns is passed on as it is."""
    monitor.begin_request(environ.get("SERVER_PORT"))
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    if path == monitor.path and environ["REQUEST_METHOD"] == "GET" and _may_read(monitor, environ):
        if monitor.is_fallback:
            return _metrics_if_missing(app, monitor, environ, start_response)
        return _metrics(monitor, start_response)
    if not monitor.timing:
        return app(environ, start_response)
    timing = RequestTiming()
    # Not reset afterwards: the application may work on the body after this function has returned,
    # and the next request of the thread has its own.
    current_timing.set(timing)

    def start_timed(status: str, headers: list[tuple[str, str]], *more: Any) -> Write:  # noqa: ANN401
        if not any(name.lower() == "server-timing" for name, _ in headers):
            value = timing.header(with_database=monitor.has_pool)
            headers = [*headers, ("Server-Timing", value)]
        return start_response(status, headers, *more)

    return app(environ, start_timed)


def _may_read(monitor: Monitor, environ: Environ) -> bool:
    names = (name[5:].lower().replace("_", "-") for name in environ if name.startswith("HTTP_"))
    return monitor.access.allows(environ.get("REMOTE_ADDR"), names)


def _metrics(monitor: Monitor, start_response: StartResponse) -> list[bytes]:
    page = monitor.page(has_loop=False)
    headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(page)))]
    start_response("200 OK", headers)
    return [page]


def _metrics_if_missing(
    app: App, monitor: Monitor, environ: Environ, start_response: StartResponse
) -> Iterator[bytes]:
    """Pass the request to the application; replace its response if it is a 404."""
    is_missing = False

    def start_unless_missing(status: str, headers: list[tuple[str, str]], *more: Any) -> Write:  # noqa: ANN401
        nonlocal is_missing
        is_missing = status.startswith("404")
        return (lambda _: None) if is_missing else start_response(status, headers, *more)

    body = app(environ, start_unless_missing)
    try:
        for chunk in body:
            if is_missing:
                break
            yield chunk
    finally:
        if (close := getattr(body, "close", None)) is not None:
            close()
    if is_missing:
        yield from _metrics(monitor, start_response)
