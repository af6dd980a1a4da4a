"""`Inside`: the middleware of a service that wants to be understood by a load test."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from straingauge.inside import asgi, wsgi
from straingauge.inside.access import LOOPBACK
from straingauge.inside.monitor import Monitor

Interface = Literal["asgi", "wsgi"]


class Inside:
    """Middleware that says where the time of a request went.

        app = Inside(app, engine=engine)                            # FastAPI, Starlette, Django
        app.add_middleware(Inside, engine=engine)                   # FastAPI, Starlette
        app.wsgi_app = Inside(app.wsgi_app, engine=engine)          # Flask
        app = Inside(app, engine=lambda: app.state.pool)            # created later

    Each response gets a Server-Timing header with the parts ``pool`` (waiting for a database
    connection), ``db`` (database calls) and ``app`` (the rest) until its headers were sent; one
    that the application sends is kept. GET ``/metrics`` shows the pool, blocks of the event loop,
    and memory, CPU time, threads and open files, in the Prometheus text format and under the names
    that straingauge reads without configuration.

    With several worker processes, each page shows all of those that have served a request: gauges
    by pid, counters as sums. They share their values in files of 80 bytes in the directory for
    temporary files; where that is impossible, a page shows the worker that answers, and says so.

    It never changes a response other than by that header, and passes exceptions, streams,
    WebSockets and the lifespan through. It reads attributes that it lacks from the application.

    It costs 7 us of CPU time per request, and 45 more for a checkout of a connection of SQLAlchemy
    with one statement: medians of ``python benchmarks/inside.py`` on a busy Intel Xeon with two
    cores, Python 3.11.

    Args:
        app: The ASGI 3 or WSGI application.
        engine: An engine of SQLAlchemy 1.4 or 2 (`Engine` or `AsyncEngine`), a pool of asyncpg or
            psycopg_pool, a function without arguments that returns one as soon as it exists, or a
            list of these.
        metrics_path: The path of the page. By default it is ``/metrics``, unless the application
            answers that itself with anything but 404.
        networks: Networks from which the page can be read, by direct connections only: requests
            with a header such as X-Forwarded-For are passed to the application, as if there were
            no page.
        server_timing: Add the header to responses.
        interface: "asgi" or "wsgi", where `app` is an object that does not show it.

    Raises:
        TypeError: `engine` is of an unknown kind, or the interface cannot be recognised.
        ValueError: `metrics_path` or a network is not valid.
    """

    def __new__(cls, app: Any, **options: Any) -> Self:  # noqa: ANN401  any application
        """Create the middleware for the interface of the application."""
        interface = options.get("interface") or _interface(app)
        kind: Any = _AsgiInside if interface == "asgi" else _WsgiInside
        created: Self = super().__new__(kind)
        return created

    def __init__(
        self,
        app: Any,  # noqa: ANN401
        *,
        engine: object = None,
        metrics_path: str | None = None,
        networks: Sequence[str] = LOOPBACK,
        server_timing: bool = True,
        interface: Interface | None = None,
    ) -> None:
        if interface not in (None, "asgi", "wsgi"):
            raise TypeError(f"interface is {interface!r}, and must be 'asgi' or 'wsgi'")
        self._app = app
        self._monitor = Monitor(engine, metrics_path, networks, timing=server_timing)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return an attribute of the application.

        Raises:
            AttributeError: It has none of this name.
        """
        if name in ("_app", "_monitor"):  # before __init__, as when it is copied
            raise AttributeError(name)
        return getattr(self._app, name)


class _AsgiInside(Inside):
    # Servers recognise ASGI 3 by the coroutine function.
    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await asgi.serve(self._app, self._monitor, scope, receive, send)


class _WsgiInside(Inside):
    def __call__(self, environ: wsgi.Environ, start_response: wsgi.StartResponse) -> Any:  # noqa: ANN401
        return wsgi.serve(self._app, self._monitor, environ, start_response)


def _interface(app: Any) -> Interface:  # noqa: ANN401
    """Recognise the interface of an application by its number of parameters.

    Raises:
        TypeError: It has neither two nor three.
    """
    is_function = hasattr(app, "__code__")
    call = app if is_function else getattr(app, "__call__", None)  # noqa: B004  for its parameters
    code = getattr(call, "__code__", None)
    if code is not None:
        count = code.co_argcount - (getattr(call, "__self__", None) is not None)
        if count == 3 or code.co_flags & 0x80:  # inspect.CO_COROUTINE
            return "asgi"
        if count == 2:
            return "wsgi"
    raise TypeError(
        f"{app!r} is not recognised as an ASGI 3 or WSGI application:"
        " give Inside(..., interface='asgi') or interface='wsgi'"
    )
