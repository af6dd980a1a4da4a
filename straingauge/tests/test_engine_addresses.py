"""Targets with several IP addresses, of which some do not respond."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from raw_server import answering, serve
from single_journey import run_journey
from straingauge.http import ErrorKind
from straingauge.journey import User
from straingauge.target.ports import free_port

pytestmark = pytest.mark.usefixtures("nothing_left_open")


@contextmanager
def silent(host: str, port: int) -> Iterator[None]:
    """An address whose accept queue is full, so that the kernel ignores further connections."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            with suppress(BlockingIOError):
                waiting.connect((host, port))
        yield


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ips: str) -> None:
    """Let each name resolve to these addresses."""

    def getaddrinfo(_host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def two_gets(user: User):
    """Two GET requests, each over its own connection."""
    for _ in range(2):
        yield user.get("/x", headers={"Connection": "close"})


def test_a_silent_address_delays_the_first_connection_alone(monkeypatch: pytest.MonkeyPatch):
    """The next address is tried after 250 ms, and is the first one from then on."""
    with serve(answering()) as server, silent("127.0.0.2", server.port):
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        began_s = time.monotonic()
        series, stats = run_journey(f"http://two.test:{server.port}", two_gets)
        took_s = time.monotonic() - began_s
    assert dict(series.errors) == {}
    assert (series.statuses[200], stats.connections, server.connections) == (2, 2, 2)
    assert 0.25 <= took_s < 5
    assert series.connect.min_ns is not None
    assert series.connect.min_ns < 250_000_000


@pytest.mark.parametrize("refusing", ["127.0.0.2", "127.0.0.3"])
def test_an_address_that_refuses_costs_no_delay(refusing: str, monkeypatch: pytest.MonkeyPatch):
    """Refused connections lead to the next address at once, also to the third."""
    with serve(answering()) as server:
        resolve_to(monkeypatch, refusing, "127.0.0.4", "127.0.0.1")
        series, _ = run_journey(f"http://three.test:{server.port}", two_gets)
    assert (dict(series.errors), series.statuses[200]) == ({}, 2)


def test_addresses_that_all_fail_are_one_failure(monkeypatch: pytest.MonkeyPatch):
    """If one address refuses and the other never responds, the request times out."""
    port = free_port()
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.3")
    series, _ = run_journey(f"http://none.test:{port}")
    assert dict(series.errors) == {ErrorKind.REFUSED: 1}
    with silent("127.0.0.2", port):
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        series, _ = run_journey(f"http://none.test:{port}", timeout_s=0.6)
    assert dict(series.errors) == {ErrorKind.CONNECT_TIMEOUT: 1}
