"""TLS: with whom it is spoken, and how it can end."""

import ssl
import threading
from pathlib import Path

import pytest
from raw_server import Handler, Peer, answering, certified, saying, serve, speaking_tls
from single_journey import run_journey
from straingauge.http import ErrorKind

pytestmark = pytest.mark.usefixtures("nothing_left_open")


def test_plain_http_instead_of_tls_is_a_tls_error():
    """TLS with a server that does not speak it fails as TLS."""

    def plain(peer: Peer) -> None:
        peer.socket.recv(65536)
        peer.socket.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serve(plain) as server:
        series, _ = run_journey(f"https://127.0.0.1:{server.port}")
    assert dict(series.errors) == {ErrorKind.TLS: 1}


def test_a_trusted_certificate_is_accepted(certificate: Path):
    """A trusted certificate gives a response, an untrusted one a TLS error."""
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    with serve(answering(), speaking_tls(certificate)) as server:
        url = f"https://localhost:{server.port}"
        good, _ = run_journey(url, tls=trusting)
        bad, _ = run_journey(url)
    assert (dict(good.errors), good.statuses[200]) == ({}, 1)
    assert dict(bad.errors) == {ErrorKind.CERTIFICATE_UNTRUSTED: 1}
    assert "certificate" in bad.examples[0].detail


def test_another_hosts_certificate_is_a_tls_error(tmp_path: Path):
    """A certificate that is trusted, but for another host, is no answer from this one."""
    other = certified(tmp_path / "other.pem", "other.example")
    trusting = ssl.create_default_context(cafile=f"{other}.crt")
    with serve(answering(), speaking_tls(other)) as server:
        series, report = run_journey(f"https://localhost:{server.port}", tls=trusting)
    assert dict(series.errors) == {ErrorKind.CERTIFICATE_NAME: 1}
    assert "localhost" in series.examples[0].detail
    assert (report.sent, len(server.requests)) == (0, 0)


def hello_then_close(peer: Peer) -> None:
    """Hang up on a client's hello."""
    peer.socket.recv(65536)


def hello_then_reset(peer: Peer) -> None:
    """Reset on a client's hello."""
    peer.socket.recv(65536)
    peer.reset()


@pytest.mark.parametrize(
    ("ending", "kind"), [(hello_then_close, ErrorKind.TLS), (hello_then_reset, ErrorKind.RESET)]
)
def test_tls_that_ends_in_the_handshake_has_its_kind(ending: Handler, kind: ErrorKind):
    """A server that hangs up on a client's hello does not speak TLS with it; a reset is one."""
    with serve(ending) as server:
        series, report = run_journey(f"https://127.0.0.1:{server.port}")
    assert dict(series.errors) == {kind: 1}
    assert report.connections == 0


def test_tls_that_stops_in_the_handshake_is_a_connect_timeout():
    """A handshake that goes nowhere ends at the request's deadline."""
    over = threading.Event()

    def stopping(peer: Peer) -> None:
        peer.socket.recv(65536)
        over.wait(20)

    with serve(stopping) as server:
        series, report = run_journey(f"https://127.0.0.1:{server.port}", timeout_s=0.3)
        over.set()
    assert dict(series.errors) == {ErrorKind.CONNECT_TIMEOUT: 1}
    assert report.connections == 0


def test_tls_that_breaks_off_in_the_body_is_a_short_body(certificate: Path):
    """A TLS connection cut off within a response, with no farewell, is as short as any other."""
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    cut = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
    with serve(cut, speaking_tls(certificate)) as server:
        series, _ = run_journey(f"https://localhost:{server.port}", tls=trusting)
    assert dict(series.errors) == {ErrorKind.SHORT_BODY: 1}
