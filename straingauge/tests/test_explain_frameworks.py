"""The explain pass traces services of several frameworks as they are, by OpenTelemetry."""

import json
import shlex
import socketserver
import sys
import threading
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from redis_server import redis_server
from straingauge.http import Request, Response
from straingauge.journey import User, mix
from straingauge.result.format.traces import Traces
from straingauge.runner import ExplainPass, LoadSpec
from straingauge.schedule import constant_users
from straingauge.target import Postgres, StackConfig
from straingauge.target.started_service import StartedService

pytestmark = pytest.mark.e2e

HERE = Path(__file__).parent
ORDER = "GET /orders/{id}"
WAIT_MS = 20.0  # for each part: a wait is never shorter
OWN_LINE = "raise LookupError"
FLASK = f"{shlex.quote(sys.executable)} {shlex.quote(str(HERE / 'traced_flask.py'))} {{port}}"
DJANGO = f"{shlex.quote(sys.executable)} manage.py runserver --noreload 127.0.0.1:{{port}}"


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """An empty database."""
    with Postgres(durable=False, max_connections=40) as running:
        yield running.url


@pytest.fixture(scope="module")
def dependency() -> Iterator[str]:
    """Another service, which takes its time."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            time.sleep(WAIT_MS / 1000)  # this is the time that the other service takes
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    socketserver.TCPServer.allow_reuse_address = True
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/prices"
        server.shutdown()
        thread.join()


def read_order(user: User) -> Generator[Request, Response, None]:
    """Request an order, and a page that fails."""
    yield user.get("/orders/1", name=ORDER)
    yield user.get("/fail", expect=(500,))


def explained(folder: Path, command: str, database_url: str, **env: str) -> Traces:
    """Return what an explain pass of a second says about a service."""
    path = folder / "straingauge.toml"
    path.write_text(
        f"[service]\ncommand = {json.dumps(shlex.split(command))}\nstop_within_s = 2\n"
        'ready = "/orders/1"\n'
    )
    config = replace(StackConfig.from_file(path), env={"DATABASE_URL": database_url, **env})
    started = StartedService(1, database_url, config)
    spec = LoadSpec(
        name="load",
        test="load",
        test_file=HERE / "test_explain_frameworks.py",
        journeys=mix(read_order),
        schedule=constant_users(count=1, iterations=1),
        users=[User(0)],
        explain=True,
    )
    sections = ExplainPass(spec, started, duration_s=1.5)({})  # type: ignore[typeddict-item]  it is not read
    assert sections["traces"]["notes"] == []
    return sections["traces"]


def check(traces: Traces, dependency: str, *, raised_in: str, has_cache: bool = False) -> None:
    """Check the parts of the time, the statements, the call and the exception."""
    assert traces["traced"] == traces["requests"] >= 4
    order = traces["endpoints"][ORDER]
    parts = order["parts_ms"]
    assert min(parts["own_ms"], parts["database_ms"], parts["http_ms"]) >= WAIT_MS
    assert (parts["cache_ms"] >= WAIT_MS) if has_cache else (parts["cache_ms"] == 0)
    assert sum(parts.values()) == pytest.approx(order["duration_ms"], rel=0.01)  # type: ignore[arg-type]  all are numbers
    (repeated,) = (row for row in traces["statements"] if "order_line" in row["statement"])
    assert (repeated["endpoint"], repeated["per_request"]) == (ORDER, 4)
    (call,) = traces["calls"]
    assert (call["endpoint"], call["host"]) == (ORDER, dependency.split("/")[2])
    assert call["avg_ms"] >= WAIT_MS
    (raised,) = traces["exceptions"]
    assert (raised["endpoint"], raised["status"], raised["type"]) == (
        "GET /fail",
        500,
        "LookupError",
    )
    assert raised["file"] is not None
    assert raised["file"].endswith(raised_in.removeprefix("traced_django/"))
    lines = (HERE / raised_in).read_text().splitlines()
    assert OWN_LINE in lines[(raised["line"] or 0) - 1]


def test_a_flask_service_with_psycopg(tmp_path: Path, database_url: str, dependency: str):
    """A synchronous service has its own time, that of its statements, and that of its calls."""
    traces = explained(tmp_path, FLASK, database_url, DEPENDENCY=dependency)
    check(traces, dependency, raised_in="traced_flask.py")


def test_the_time_of_a_cache(tmp_path: Path, database_url: str, dependency: str):
    """Commands of Redis are the time of the cache, not of the database."""
    with redis_server() as (_, port):
        url = f"redis://127.0.0.1:{port}"
        traces = explained(tmp_path, FLASK, database_url, DEPENDENCY=dependency, REDIS_URL=url)
    check(traces, dependency, raised_in="traced_flask.py", has_cache=True)


def test_a_django_service(database_url: str, dependency: str, tmp_path: Path):
    """A service whose settings are named by its manage.py only is traced as it is."""
    pytest.importorskip("django", reason="needs Django: pip install django")
    for each in (HERE / "traced_django").rglob("*.py"):
        target = tmp_path / each.relative_to(HERE / "traced_django")
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(each)
    traces = explained(tmp_path, DJANGO, database_url, DEPENDENCY=dependency)
    check(traces, dependency, raised_in="traced_django/shop/urls.py")
