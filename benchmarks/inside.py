"""CPU time that `straingauge.inside.Inside` adds to a request: no server, no framework.

Rounds with and without it alternate, so that a change of the machine's speed affects both. Shown is
the median of the differences of neighbouring rounds, in us of CPU time.

    python benchmarks/inside.py [--rounds N]
"""

import argparse
import asyncio
import os
import statistics
from collections.abc import Callable
from time import process_time_ns
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool
from straingauge.inside import Inside

App = Callable[..., Any]

REQUESTS = 1_000
SCOPE = {
    "type": "http",
    "method": "GET",
    "headers": [(b"host", b"localhost"), (b"accept", b"*/*"), (b"user-agent", b"benchmark")],
    "query_string": b"",
    "client": ("127.0.0.1", 50000),
    "server": ("127.0.0.1", 8000),
}
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SERVER_NAME": "localhost",
    "SERVER_PORT": "8000",
    "REMOTE_ADDR": "127.0.0.1",
    "wsgi.url_scheme": "http",
}

engine = sa.create_engine("sqlite://", poolclass=QueuePool)
observed_engine = sa.create_engine("sqlite://", poolclass=QueuePool)


def select(of: sa.Engine) -> None:
    """Check out a connection and run a statement."""
    with of.connect() as connection:
        connection.execute(sa.text("SELECT 1"))


def asgi(of: sa.Engine) -> App:
    """Create an application that does nothing itself, with a statement at /select."""

    async def app(scope: Any, _: Any, send: Any) -> None:  # noqa: ANN401
        if scope["path"] == "/select":
            select(of)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    return app


def wsgi(of: sa.Engine) -> App:
    """Create the same application in WSGI."""

    def app(environ: Any, start_response: Any) -> list[bytes]:  # noqa: ANN401
        if environ["PATH_INFO"] == "/select":
            select(of)
        start_response("200 OK", [])
        return [b"hello"]

    return app


def asgi_round(app: Any, path: str) -> Callable[[], None]:  # noqa: ANN401
    """Return a function that sends the requests of one round to an ASGI application."""
    loop = asyncio.new_event_loop()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        pass

    async def requests() -> None:
        for _ in range(REQUESTS):
            await app({**SCOPE, "path": path}, receive, send)

    return lambda: loop.run_until_complete(requests())


def wsgi_round(app: Any, path: str) -> Callable[[], None]:  # noqa: ANN401
    """Return a function that sends the requests of one round to a WSGI application."""

    def requests() -> None:
        for _ in range(REQUESTS):
            body = app({**ENVIRON, "PATH_INFO": path}, lambda *_: None)
            list(body)

    return requests


def cpu_us(requests: Callable[[], None]) -> float:
    """Return the CPU time per request."""
    started_ns = process_time_ns()
    requests()
    return (process_time_ns() - started_ns) / 1000 / REQUESTS


def main() -> None:
    """Measure and print all cases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="pairs of rounds")
    rounds = parser.parse_args().rounds
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f"us of CPU time per request, median of {rounds} pairs of rounds")
    print(f"{'application':24}{'without':>9}{'with':>9}{'difference':>12}")
    for title, create, send in (("ASGI", asgi, asgi_round), ("WSGI", wsgi, wsgi_round)):
        without = create(engine)
        with_it = Inside(create(observed_engine), engine=observed_engine)
        for path in ("/plain", "/select"):
            base, observed = send(without, path), send(with_it, path)
            base(), observed()
            pairs = [(cpu_us(base), cpu_us(observed)) for _ in range(rounds)]
            row = (
                statistics.median(each for each, _ in pairs),
                statistics.median(each for _, each in pairs),
                statistics.median(more - less for less, more in pairs),
            )
            print(f"{title} {path:<{23 - len(title)}}{row[0]:9.1f}{row[1]:9.1f}{row[2]:12.1f}")


if __name__ == "__main__":
    main()
