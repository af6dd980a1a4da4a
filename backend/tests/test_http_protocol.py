"""Limits of connections, tested with uvicorn and a small app in this process."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from app import http_protocol, limits
from app.serve import DEFAULTS
from starlette.types import Receive, Scope, Send

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
MAX = limits.MAX_HEADER_BYTES

Connect = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Return the names of the headers; `/early` does not wait for the body."""
    while scope["path"] != "/early" and scope["method"] == "POST":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message["more_body"]:
            break
    body = b",".join(name for name, _ in scope["headers"])
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def running() -> AsyncIterator[Connect]:
    """Run the app with the options of `app.serve`, and yield a function that connects to it."""
    options = {name: value for name, value in DEFAULTS.items() if name != "app"}
    config = uvicorn.Config(app, port=0, lifespan="off", log_config=None, **options)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        await server.shutdown()


@pytest.fixture(autouse=True)
def _forget_connections() -> Iterator[None]:
    http_protocol.max_connections.cache_clear()
    yield
    http_protocol.max_connections.cache_clear()
    http_protocol.LimitedHttpProtocol._closable.clear()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the time after which a client counts as stalled."""
    monkeypatch.setattr(limits, "STALL_S", 0.05)


async def exchange(connect: Connect, data: bytes) -> tuple[int, dict]:
    """Send data on a new connection; return the status and the error of the only response."""
    reader, writer = await connect()
    writer.write(data)
    response = await reader.read()
    head, _, body = response.partition(b"\r\n\r\n")
    assert head.count(b"HTTP/1.1") == 1
    error = json.loads(body)["error"]
    if b"connection: close" in head:
        assert b"nosniff" in head
        assert f"x-request-id: {error['request_id']}\r\n".encode() in head
        assert b"server-timing: " in head
    return int(response.split()[1]), error


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nA: " + b"a" * MAX, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (MAX // 6), 431),
        (b"GET / HTTP/1.1\r\n" + b"a" * MAX, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * limits.MAX_HEADERS + b"B: c\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * MAX + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * MAX, 414),
        (b"\r\n" * MAX, 431),
        (b"nonsense\r\n\r\n", 400),
    ],
    ids=["value", "many", "name", "count", "complete", "target", "empty lines", "not HTTP"],
)
async def test_large_headers_are_refused(head: bytes, status: int):
    """Headers above a limit are refused before they are complete, and the connection is closed."""
    async with running() as connect:
        found, error = await exchange(connect, head)
        assert found == status
        assert error["request_id"]


async def test_headers_within_the_limits_are_accepted():
    """A request with 100 headers of 32 KB in total is accepted, also in many pieces."""
    value = b"a" * (MAX // 100 - 20)
    fields = b"".join(b"Header-%02d: %s\r\n" % (n, value) for n in range(100))
    request = b"GET / HTTP/1.1\r\n" + fields + b"\r\n"
    async with running() as connect:
        for size in (len(request), 1000):
            reader, writer = await connect()
            for start in range(0, len(request), size):
                writer.write(request[start : start + size])
                await writer.drain()
            assert (await reader.readuntil(b"header-99")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("body", [b"1;" + b"a" * 20 * MAX, b"0\r\nA: " + b"a" * 20 * MAX])
async def test_long_framing_is_refused(body: bytes):
    """Chunk extensions and trailers have the limit of headers."""
    async with running() as connect:
        status, error = await exchange(connect, POST + body)
        assert (status, error["code"]) == (431, "headers_too_large")


async def test_trailers_are_no_headers():
    """A trailer does not become a header of the request."""
    async with running() as connect:
        reader, writer = await connect()
        writer.write(POST + b"0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")
        response = await reader.readuntil(b"transfer-encoding")
        assert b"x-forwarded-for" not in response


async def test_requests_sent_ahead_are_bounded():
    """A client may send 100 requests ahead; with more, the connection is closed."""
    async with running() as connect:
        reader, writer = await connect()
        writer.write(GET * limits.MAX_PIPELINED)
        for _ in range(limits.MAX_PIPELINED):
            await reader.readuntil(b"\r\n\r\nhost")
        reader, writer = await connect()
        writer.write(GET * 10 * limits.MAX_PIPELINED)
        with suppress(ConnectionResetError):
            assert (await reader.read()).count(b"HTTP/1.1") <= limits.MAX_PIPELINED


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("data", "response"),
    [
        (b"", b""),
        (GET[:10], b"HTTP/1.1 408"),
        (POST, b"HTTP/1.1 408"),
        (POST + b"100\r\n", b"HTTP/1.1 408"),
    ],
    ids=["nothing", "headers", "body", "chunk"],
)
async def test_stalled_clients_are_disconnected(data: bytes, response: bytes):
    """A client that stops within a request is disconnected, with a 408 if it has no response."""
    async with running() as connect:
        reader, writer = await connect()
        writer.write(data)
        assert (await reader.read())[:12] == response


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("data", [b"1\r\na\r\n", b"1"])
async def test_rest_of_an_answered_request_is_not_awaited(data: bytes):
    """A client that stops within a body whose response it has is disconnected."""
    async with running() as connect:
        reader, writer = await connect()
        writer.write(POST.replace(b"/", b"/early", 1))
        await reader.readuntil(b"\r\n\r\nhost,transfer-encoding")
        writer.write(data)
        assert await reader.read() == b""


@pytest.mark.usefixtures("impatient")
async def test_slow_clients_are_disconnected():
    """A body slower than 1 KiB/s is refused, however often its client sends."""
    async with running() as connect:
        reader, writer = await connect()
        writer.write(POST)
        response = asyncio.create_task(reader.read())
        while not response.done():
            writer.write(b"1\r\na\r\n")
            await asyncio.sleep(0.005)
        assert (await response).startswith(b"HTTP/1.1 408")


def _allow_connections(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    files = (2 * number, 2 * number)
    monkeypatch.setattr(http_protocol.resource, "getrlimit", lambda _: files)


async def test_idle_connections_make_room(monkeypatch: pytest.MonkeyPatch):
    """Beyond the limit a new connection is served, and idle ones are closed, unused ones first."""
    _allow_connections(monkeypatch, 4)
    async with running() as connect:
        used = await connect()
        used[1].write(GET)
        await used[0].readuntil(b"\r\n\r\nhost")
        unused = [await connect() for _ in range(3)]
        for _ in range(2):
            reader, writer = await connect()
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\nhost")).startswith(b"HTTP/1.1 200")
        for reader, _ in unused[:2]:
            assert await reader.read() == b""
        used[1].write(GET)
        await used[0].readuntil(b"\r\n\r\nhost")


async def test_requests_in_progress_are_not_closed_for_others(monkeypatch: pytest.MonkeyPatch):
    """If each connection has a request, a further one gets a 503."""
    _allow_connections(monkeypatch, 2)
    async with running() as connect:
        busy = [await connect() for _ in range(2)]
        for _, writer in busy:
            writer.write(POST + b"1\r\na\r\n")
        await asyncio.sleep(0.05)
        status, error = await exchange(connect, b"")
        assert (status, error["code"]) == (503, "too_many_connections")
        for reader, writer in busy:
            writer.write(b"0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\nhost,transfer-encoding")


async def test_refused_client_can_finish_sending():
    """A client that sends 10 MB of headers before it reads gets the response, not a reset."""
    async with running() as connect:
        reader, writer = await connect()
        writer.write(b"GET / HTTP/1.1\r\nA: ")
        for _ in range(160):
            writer.write(b"a" * 2**16)
            await writer.drain()
        assert (await reader.read()).startswith(b"HTTP/1.1 431")
