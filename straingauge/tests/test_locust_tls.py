"""TLS of a Locust user's client: certificates, failures and large bodies."""

import ssl
from pathlib import Path

import pytest
from locust_caller import RUN_JOURNEY, Locust
from raw_server import Handler, Peer, answering, certified, saying, serve, speaking_tls
from single_journey import run_journey

OK = b"HTTP/1.1 200 OK\r\n"


def test_certificates_are_checked_only_if_asked(caller: Locust, tmp_path: Path):
    """By default any certificate is accepted, as by FastHttpUser; otherwise a trusted one."""
    certificate = certified(tmp_path / "own.pem", "localhost")
    with serve(answering(), speaking_tls(certificate)) as server:
        url, text = f"https://localhost:{server.port}", 'return client.get("/x").status_code'
        accepted = caller.call(url, text + '\nclient.get("/x")')
        refused = caller.call(url, text, insecure=False)
        trusted = caller.call(
            url,
            f"""
            import ssl
            trusting = ssl.create_default_context(cafile={f"{certificate}.crt"!r})
            type(user).ssl_context_factory = staticmethod(lambda: trusting)
            return client.get("/x").status_code
            """,
            insecure=False,
        )
    assert (accepted.value, trusted.value, refused.value) == (200, 200, 0)
    assert refused.failures == {"certificate_untrusted": 1}
    assert "certificate" in refused.events[0]["exception"]


@pytest.mark.parametrize(
    "handler",
    [saying(OK + b"Content-Length: 100\r\n\r\nabc"), saying(OK + b"\r\n" + b"x" * 200_000)],
)
def test_tls_ends_as_in_the_engine(caller: Locust, handler: Handler, tmp_path: Path):
    """A response that is cut short or ended by the connection counts the same over TLS."""
    certificate = certified(tmp_path / "own.pem", "localhost")
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    with serve(handler, speaking_tls(certificate)) as server:
        url = f"https://localhost:{server.port}"
        series, _ = run_journey(url, tls=trusting)
        outcome = caller.call(url, RUN_JOURNEY)
    assert outcome.failures == dict(series.errors)


def test_large_bodies_go_through_tls(caller: Locust, tmp_path: Path):
    """TLS transfers megabytes in both directions."""
    certificate = certified(tmp_path / "own.pem", "localhost")
    with serve(answering(body=b"y" * 3_000_000), speaking_tls(certificate)) as server:
        outcome = caller.call(
            f"https://localhost:{server.port}",
            'return len(client.post("/x", data=b"x" * 3_000_000).content)',
        )
    assert outcome.value == len(server.requests[0].body) == 3_000_000


@pytest.mark.parametrize("kind", ["timeout", "connect_timeout", "tls", "reset"])
def test_a_handshake_that_fails_has_its_kind(caller: Locust, kind: str):
    """A handshake with a peer that is silent, closes or resets fails as in the engine."""

    def failing(peer: Peer) -> None:
        peer.socket.recv(65536)
        if kind == "reset":
            peer.reset()
        elif "timeout" in kind:
            peer.socket.recv(65536)

    with serve(failing) as server:
        outcome = caller.call(
            f"https://127.0.0.1:{server.port}",
            'client.get("/x")',
            **{"network_timeout" if kind == "timeout" else "connection_timeout": 0.3},
        )
    assert outcome.failures == {"connect_timeout" if "timeout" in kind else kind: 1}
