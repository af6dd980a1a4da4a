"""Time limits of connecting and of the first byte, in the engine and for Locust users."""

import threading
from collections.abc import Iterator

import pytest
from locust_caller import RUN_JOURNEY, Locust
from raw_server import Peer, Server, serve
from single_journey import LoadOptions, get, run_journey
from straingauge.http import ErrorKind, FilePart, Upload
from straingauge.http.settings import HttpSettings
from straingauge.journey import Journey, User


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A service that is silent to /silent, and stops within its response to /slow."""
    over = threading.Event()

    def handler(peer: Peer) -> None:
        while (request := peer.read()) is not None:
            if request.target == "/silent":
                over.wait(20)
            elif request.target == "/slow":
                peer.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na")
                over.wait(20)
            else:
                peer.answer()

    with serve(handler) as server:
        yield server
        over.set()


def test_the_first_byte_has_a_limit(server: Server):
    """A response that begins too late has a separate kind of error, and ends at the limit."""
    url = server.url

    def journey(user: User):
        yield user.get("/good")
        yield user.get("/silent")

    limits = HttpSettings(first_byte_timeout_s=1)
    series, _ = run_journey(url, journey, http=limits)
    assert dict(series.errors) == {ErrorKind.FIRST_BYTE_TIMEOUT: 1}
    assert "no response within 1 s" in series.examples[0].detail
    assert series.statuses[200] == 1


def test_a_response_that_has_begun_is_under_the_whole_limit(server: Server):
    """Once a response has begun, only the timeout of the whole request ends it."""
    limits = HttpSettings(first_byte_timeout_s=0.5)

    def journey(user: User):
        yield user.get("/slow")

    series, _ = run_journey(server.url, journey, http=limits, timeout_s=1)
    assert dict(series.errors) == {ErrorKind.TIMEOUT: 1}


def test_an_upload_has_its_time(server: Server):
    """The limit of the first byte counts from the end of the upload."""

    def journey(user: User):
        yield user.post("/good", upload=Upload({}, {"f": FilePart(bytes(30_000_000))}))

    series, _ = run_journey(server.url, journey, http=HttpSettings(first_byte_timeout_s=5.0))
    assert (dict(series.errors), series.statuses[200]) == ({}, 1)


def socket_to(user: User):
    """Open a WebSocket."""
    yield user.websocket("/ws")


@pytest.mark.parametrize(
    ("journey", "options"),
    [
        (get, {"http": HttpSettings(connect_timeout_s=0.2)}),
        (get, {"timeout_s": 0.2}),
        (get, {"timeout_s": 0.2, "connections": "shared"}),
        (get, {"timeout_s": 0.2, "connections": "shared", "http": HttpSettings(http2="negotiate")}),
        (socket_to, {"timeout_s": 0.2}),
    ],
)
def test_connecting_has_a_limit(journey: Journey, options: LoadOptions):
    """A TLS handshake that goes nowhere ends at the limit of connecting, or of the request."""
    over = threading.Event()

    def waiting(_: Peer) -> None:
        over.wait(20)

    with serve(waiting) as silent:
        url = f"https://127.0.0.1:{silent.port}"
        series, _ = run_journey(url, journey, **options)
        over.set()
    assert dict(series.errors) == {ErrorKind.CONNECT_TIMEOUT: 1}
    assert series.examples[0].detail == "no connection within 0.2 s"


def test_a_locust_user_has_the_same_limits(server: Server, caller: Locust):
    """For Locust users, a late first byte is the same error, and a late rest a timeout."""
    url = server.url
    settings = {"first_byte_timeout_s": 0.2}
    late = caller.call(url, RUN_JOURNEY.replace("/x", "/silent"), http=settings)
    slow = caller.call(url, 'client.get("/slow")', http=settings, network_timeout=0.5)
    good = caller.call(url, 'return client.get("/good").status_code', http=settings)
    assert late.failures == {"first_byte_timeout": 1}
    assert (slow.failures, good.value) == ({"timeout": 1}, 200)
