"""Sockets of the service, from the kernel's diagnostics."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from stack_tools import eventually
from straingauge.observe import Observations, Sample
from straingauge.observe import sockets as sockets_module
from straingauge.observe.sockets import Calls, ServiceSockets, Socket, parse_message, read_sockets
from straingauge.result.assembly.resources import resources

pytestmark = pytest.mark.skipif(not read_sockets(), reason="no socket diagnostics")
ME = {os.getpid()}
LISTEN = 10


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes sockets."""
    with ExitStack() as stack:
        yield stack


def server(stack: ExitStack) -> tuple[socket.socket, int]:
    """A listening socket and its port."""
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return listening, listening.getsockname()[1]


def test_connections_that_are_not_accepted_are_counted(stack: ExitStack):
    """Connections wait in the queue of the listening socket before the service accepts them."""
    listening, port = server(stack)
    observed = ServiceSockets(port)
    clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in "abc"]
    assert observed.sample(ME)["accept_queue"] == len(clients)
    stack.enter_context(listening.accept()[0])
    assert observed.sample(ME)["accept_queue"] == len(clients) - 1


def test_a_call_waits_from_its_request_to_its_response(stack: ExitStack):
    """An open connection is no call; it is one while its request is not answered."""
    dependency, port = server(stack)
    _, own_port = server(stack)
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    other = stack.enter_context(dependency.accept()[0])
    observed, called = ServiceSockets(own_port), ServiceSockets(port)
    for each in (observed, called):
        each.begin(ME)  # leaves out the sockets that other tests have left open

    def waiting(sockets: ServiceSockets) -> float:
        return sockets.sample(ME)["calls_waiting"]

    assert waiting(observed) == 0
    client.send(b"GET")
    assert eventually(lambda: waiting(observed) == 1)
    assert waiting(called) == 0  # a connection of a client
    (host,) = observed.calls
    assert host == f"127.0.0.1:{port}"
    assert observed.calls[host].program
    other.recv(3)
    other.send(b".")
    assert client.recv(1) == b"."
    assert eventually(lambda: waiting(observed) == 0)
    assert waiting(called) == 0


def test_a_subscription_is_no_call(stack: ExitStack):
    """A connection that waits without load does not count, until it is answered."""
    dependency, port = server(stack)
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    stack.enter_context(dependency.accept()[0])
    observed = ServiceSockets(server(stack)[1])
    observed.begin(ME)  # leaves out the sockets that other tests have left open
    client.send(b"SUBSCRIBE")
    assert eventually(lambda: observed.sample(ME)["calls_waiting"] == 1)
    observed.begin(ME)
    assert observed.sample(ME)["calls_waiting"] == 0
    assert observed.calls == {}


def test_exchanges_of_a_connection_are_counted(stack: ExitStack):
    """Each request with its response counts, and what a connection did before the load does not."""
    dependency, port = server(stack)
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    other = stack.enter_context(dependency.accept()[0])
    observed = ServiceSockets(server(stack)[1])

    def exchange(times: int) -> None:
        for _ in range(times):
            client.send(b"GET")
            assert other.recv(3) == b"GET"
            other.send(b".")
            assert client.recv(1) == b"."

    exchange(4)
    observed.begin(ME)
    observed.sample(ME)
    exchange(7)

    def counted() -> tuple[int, int]:
        observed.sample(ME)
        calls = observed.calls.get(f"127.0.0.1:{port}", Calls())
        return calls.exchanges, calls.sent_bytes

    assert eventually(lambda: counted() == (7, 21))
    exchange(2)
    client.send(b"a question without an answer is no exchange")
    assert eventually(lambda: counted() == (9, 27 + 43))


def test_the_database_is_no_dependency(monkeypatch: pytest.MonkeyPatch):
    """Connections to PostgreSQL are the matter of other causes."""
    ports = (443, 5432, 6432)
    found = [Socket(1, 40_000, "192.0.2.1", port, 0, port, 80) for port in ports]
    monkeypatch.setattr(sockets_module, "read_sockets", lambda: found)
    monkeypatch.setattr(sockets_module, "_inodes", lambda _: set(ports))
    observed = ServiceSockets(8000)
    assert observed.sample(ME)["calls_waiting"] == 1
    assert observed.calls == {"192.0.2.1:443": Calls("", 1, 1, 1, 80)}


ADDRESSES = {
    "192.0.2.1": (socket.AF_INET, socket.inet_aton("192.0.2.1") + bytes(12)),
    "2001:db8::1": (socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "2001:db8::1")),
}


@pytest.mark.parametrize("peer", ADDRESSES)
@pytest.mark.parametrize(
    ("ages_ms", "counts", "waits"),
    [
        ((30, 90, 30), (900, 800), 30),
        ((90, 30, 30), (900, 800), None),
        ((30, 30, 30), (900, 0), 30),  # the first request, sent as soon as the connection was open
        ((30, 30, 30), (1, 0), None),  # no request yet
        ((30, 30, 30), (900, 800), None),  # answered within a tick of the clock
        ((90, 90, 50), (900, 800), 90),  # sent within a tick of the last response
    ],
)
def test_a_message_of_the_kernel(
    peer: str, ages_ms: tuple[int, int, int], counts: tuple[int, int], waits: int | None
):
    """A message has both ends, the inode, and the ages of the last data in each direction."""
    info = bytes(44) + struct.pack("=I4xII60xQQ16xII", *ages_ms, *counts, 5, 3)
    family, packed = ADDRESSES[peer]
    message = (
        struct.pack("=BBBB", family, 1, 0, 0)
        + struct.pack(">HH16s16s", 40_000, 443, bytes(16), packed)
        + bytes(12)
        + struct.pack("=IIIII", 0, 5, 0, 0, 77)
        + struct.pack("=HHI", 4 + 1, 8, 0)
        + struct.pack("=HH", 4 + len(info), 2)
        + info
    )
    assert parse_message(message) == Socket(1, 40_000, peer, 443, 0, 77, waits, 3, counts[0])


def test_calls_in_the_result():
    """The result has the hosts with the most waiting calls, per sample."""
    samples: list[Sample] = [{"t_ns": n * 5e8, "calls_waiting": n % 2} for n in range(10)]
    calls = {f"192.0.2.{n}:443": Calls("", n, n, 1, 100 * n) for n in range(1, 8)}
    found = resources(Observations(samples, calls=calls), {}, 10)["service"]["calls"]
    assert [each["host"] for each in found] == [f"192.0.2.{n}:443" for n in (7, 6, 5, 4, 3)]
    assert found[0]["waiting_avg"] == 0.7
    assert (found[0]["program"], found[0]["longest_ms"]) == (None, 700)
