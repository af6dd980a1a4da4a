"""`Inside` around ASGI and WSGI applications: it measures, and changes nothing else."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import straingauge.inside
from fastapi import FastAPI, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from metrics_text import sample, timing
from starlette.testclient import TestClient
from straingauge.inside import Inside
from virtual_time import block, run

LOCAL = ("127.0.0.1", 50000)
REMOTE = ("192.0.2.7", 50000)


pytestmark = pytest.mark.usefixtures("own_values")


def api() -> FastAPI:
    """An application with the kinds of endpoints that middleware breaks easily."""
    started = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        started.append("started")
        yield
        started.append("stopped")

    app = FastAPI(lifespan=lifespan)
    app.state.started = started

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    @app.get("/fails")
    async def fails() -> str:
        raise ZeroDivisionError("in the handler")

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d" % number

        return StreamingResponse(parts())

    @app.get("/own")
    async def own() -> JSONResponse:
        return JSONResponse("", headers={"Server-Timing": "cache;dur=1"})

    @app.get("/blocks")
    async def blocks() -> None:
        block(0.3)

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    return app


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Serve the application with `Inside`."""
    with TestClient(Inside(api()), client=LOCAL) as client:
        yield client


def test_import_needs_no_installed_package():
    """Services import it without the dependencies of straingauge, in Python alone."""
    source = Path(straingauge.inside.__file__).parents[2]
    program = f"""
import sys
sys.path.insert(0, {str(source)!r})
from straingauge.inside import Inside
Inside(lambda environ, start_response: [])
names = {{name.partition(".")[0] for name in sys.modules}}
print(sorted(names - sys.stdlib_module_names - {{"__main__"}}))
"""
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "['straingauge']\n"


def test_responses_say_how_long_the_application_took(client: TestClient):
    """Without an engine the Server-Timing header has the application's part only."""
    parts = timing(client.get("/hello").headers["server-timing"])
    assert list(parts) == ["app"]
    assert parts["app"] > 0


def test_an_own_server_timing_header_is_kept(client: TestClient):
    """The header of the application is not extended, because its parts could count twice."""
    assert client.get("/own").headers.get_list("server-timing") == ["cache;dur=1"]


def test_the_header_can_be_switched_off():
    """server_timing=False leaves responses as they are."""
    client = TestClient(Inside(api(), server_timing=False), client=LOCAL)
    assert "server-timing" not in client.get("/hello").headers


def test_exceptions_streams_and_websockets_pass_through(client: TestClient):
    """Middleware, servers and clients see the application's behaviour unchanged."""
    with pytest.raises(ZeroDivisionError, match="in the handler"):
        client.get("/fails")
    assert client.get("/stream").content == b"012"
    with client.websocket_connect("/echo") as socket:
        socket.send_text("there and back")
        assert socket.receive_text() == "there and back"


def test_the_lifespan_and_attributes_are_those_of_the_application():
    """Startup and shutdown run, and `app.state` is the application's."""
    app: Any = Inside(api())
    with TestClient(app):
        assert app.state.started == ["started"]
    assert app.state.started == ["started", "stopped"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = app.nothing


def test_it_can_be_added_as_middleware():
    """`add_middleware` of Starlette and FastAPI accepts it."""
    app = api()
    app.add_middleware(Inside)
    with TestClient(app, client=LOCAL) as client:
        assert "app" in timing(client.get("/hello").headers["server-timing"])
        assert app.state.started == ["started"]


def test_the_page_has_the_metrics_of_the_process(client: TestClient):
    """Memory, CPU time, threads and open files have the names that the observer expects."""
    text = client.get("/metrics").text
    found = sample(text)
    assert found["rss_bytes"] > 1e6
    assert found["cpu_s"] > 0
    assert found["open_files"] > 3
    assert f'process_threads{{pid="{os.getpid()}"}}' in text
    assert "db_pool" not in text


def test_a_blocked_event_loop_is_measured():
    """Blocks of the event loop are counted and timed."""
    app = Inside(api())

    async def load() -> str:
        await request(app, "/hello")
        await asyncio.sleep(0)
        await request(app, "/blocks")
        await asyncio.sleep(0.06)  # more than the interval of the timer
        return (await request(app, "/metrics"))[1]

    found = sample(run(load()))
    assert found["loop_blocks"] == 1
    assert found["loop_blocked_s"] == pytest.approx(0.25)  # less one interval
    assert found["loop_longest_s"] == pytest.approx(0.25)


async def request(app: Any, path: str) -> tuple[int, str]:  # noqa: ANN401
    """Send a request in the running loop; return status and body."""
    messages: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    await app({**scope, "client": LOCAL, "server": ("127.0.0.1", 8000)}, receive, send)
    body = b"".join(message.get("body", b"") for message in messages[1:])
    return messages[0]["status"], body.decode()


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        (LOCAL, {}, 200),
        (("::1", 1), {}, 200),
        (("::ffff:127.0.0.1", 1), {}, 200),
        (REMOTE, {}, 404),
        (("testclient", 1), {}, 404),
        (LOCAL, {"X-Forwarded-For": "127.0.0.1"}, 404),
        (LOCAL, {"Forwarded": "for=127.0.0.1"}, 404),
    ],
)
def test_the_page_is_for_direct_connections_of_this_machine(
    client: tuple[str, int], headers: dict[str, str], status: int
):
    """For others, also behind a proxy on this machine, the page does not exist."""
    for app in (Inside(api()), Inside(api(), metrics_path="/metrics")):
        response = TestClient(app, client=client).get("/metrics", headers=headers)
        assert response.status_code == status


def test_other_networks_can_be_admitted():
    """`networks` opens the page for monitoring from elsewhere, and closes it for this machine."""
    app = Inside(api(), networks=["192.0.2.0/24"])
    assert TestClient(app, client=REMOTE).get("/metrics").status_code == 200
    assert TestClient(app, client=LOCAL).get("/metrics").status_code == 404


def test_a_page_of_the_application_is_kept():
    """An application's own /metrics stays, and a path of one's choice has the page of `Inside`."""
    app = api()
    app.get("/metrics")(lambda: "the application's")
    assert TestClient(Inside(app), client=LOCAL).get("/metrics").json() == "the application's"
    client = TestClient(Inside(app, metrics_path="/inside"), client=LOCAL)
    assert "process_threads" in client.get("/inside").text


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"engine": "postgresql://"}, TypeError, "engine is builtins.str, and must be an engine"),
        ({"metrics_path": "metrics"}, ValueError, "must start with /"),
        ({"networks": ["nowhere"]}, ValueError, "nowhere"),
        ({"interface": "cgi"}, TypeError, "must be 'asgi' or 'wsgi'"),
    ],
)
def test_invalid_arguments(options: dict[str, Any], error: type[Exception], message: str):
    """Invalid arguments raise an error when the service starts."""
    with pytest.raises(error, match=message):
        Inside(api(), **options)


def test_a_page_shows_all_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A page of one worker has the gauges of each living one, and counters of those that ended."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    from straingauge.inside.metrics_page import render
    from straingauge.inside.shared_values import Value, Values

    mine, other = Values(), Values()
    mine.own[Value.POOL_WAITS] = 1
    mine.join(8000)
    read_end, write_end = os.pipe()
    stop, go_on = os.pipe()
    parent = os.getppid()
    if (child := os.fork()) == 0:
        os.getppid = lambda: parent  # a sibling
        other.own[Value.POOL_WAITS], other.own[Value.POOL_IN_USE] = 2, 5
        other.join(8000)
        os.write(write_end, b".")
        os.read(stop, 1)
        os._exit(0)
    os.read(read_end, 1)
    text = render(mine.all(), has_pool=True, has_loop=False)
    assert sample(text.decode()) | {"pool_waits": 3, "pool_in_use": 5} == sample(text.decode())
    assert f'db_pool_in_use{{pid="{child}"}} 5' in text.decode()
    os.write(go_on, b".")
    os.waitpid(child, 0)
    after = sample(render(mine.all(), has_pool=True, has_loop=False).decode())
    assert (after["pool_waits"], after["pool_in_use"]) == (3, 0)
    stranger = Values()
    stranger.join(8001)
    assert len(stranger.all()) == 1
    for descriptor in (read_end, write_end, stop, go_on):
        os.close(descriptor)


def test_several_apps_of_a_process_have_their_own_values():
    """Two applications with `Inside` in one process do not disturb each other."""
    clients = [TestClient(Inside(api()), client=LOCAL) for _ in range(2)]
    pages = [client.get("/metrics").text for client in [*clients, *clients]]
    assert [page.count("process_threads{") for page in pages] == [1, 1, 1, 1]
    assert not any(page.startswith("# values of process") for page in pages)


def test_a_directory_of_someone_else_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page shows the answering worker, and says so, if values cannot be shared."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"straingauge-inside-{os.getuid()}").symlink_to(tmp_path)
    text = TestClient(Inside(api()), client=LOCAL).get("/metrics").text
    assert text.startswith(f"# values of process {os.getpid()} only: they cannot be shared")
    assert sample(text)["rss_bytes"] > 1e6
