"""HTTP/2 for probes and metrics, without a socket."""

import socket
from typing import cast

import pytest
from http2_peer import Http2Peer
from straingauge.http.blocking import BlockingConnection
from straingauge.http.http2.blocking_socket import Http2Socket
from straingauge.http.settings import HttpSettings
from straingauge.target.readiness import status_of


class PeerSocket:
    """A socket whose other end answers each request with its path."""

    def __init__(self) -> None:
        self.peer = Http2Peer()
        self.is_closed = False
        self.paths: list[str] = []
        self.says: bytes | None = None

    def sendall(self, data: bytes) -> None:
        """Let the server read."""
        self.peer.feed(data)
        while self.peer.complete:
            request = self.peer.complete.pop(0)
            self.paths.append(request[":path"])
            fields = [("server", "test"), ("x-host", request[":authority"])]
            self.peer.answer(request.stream_id, request[":path"].encode(), fields=fields)

    def recv(self, _size: int) -> bytes:
        """Receive what the server says."""
        return self.peer.take() if self.says is None else self.says

    def close(self) -> None:
        """Note the end."""
        self.is_closed = True


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> tuple[BlockingConnection, PeerSocket]:
    """A connection with prior knowledge, and its socket."""
    sock = PeerSocket()
    monkeypatch.setattr("straingauge.http.blocking._open", lambda *_: cast("socket.socket", sock))
    settings = HttpSettings(http2="prior-knowledge")
    return BlockingConnection("http://127.0.0.1:8000/api", settings, 5.0), sock


def test_a_probe_speaks_http2_with_prior_knowledge(
    connection: tuple[BlockingConnection, PeerSocket],
):
    """Requests of one connection get their status, headers and content."""
    probe, sock = connection
    for path in ("/metrics", "/health"):
        probe.request("GET", path)
        response = probe.getresponse()
        assert (response.status, response.getheader("Server")) == (200, "test")
        assert (response.getheader("X-Host"), response.read()) == ("127.0.0.1:8000", path.encode())
    assert isinstance(probe.sock, Http2Socket)
    probe.close()
    assert sock.is_closed


def test_readiness_is_asked_for_in_the_protocol_of_the_load(
    connection: tuple[BlockingConnection, PeerSocket],
):
    """With prior knowledge, a service may speak HTTP/2 alone; the path may have a query."""
    _, sock = connection
    assert status_of("http://127.0.0.1:8000/ready?full=1", "prior-knowledge") == "200"
    assert (sock.paths, sock.is_closed) == (["/ready?full=1"], True)


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (b"", "closed without a response"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "speaks HTTP/1.1"),
        (b"\xff" * 20, "HTTP/2"),
    ],
)
def test_a_probe_without_a_response_of_http2_fails(
    connection: tuple[BlockingConnection, PeerSocket], says: bytes, message: str
):
    """The message says what the server does instead."""
    probe, sock = connection
    sock.says = says
    probe.request("GET", "/metrics")
    with pytest.raises(OSError, match=message):
        probe.getresponse()
