"""TLS of a Locust user's client: with whom it is spoken, and how it can end."""

import ssl
from pathlib import Path

import pytest
from calling import PLAY, Locust
from serving import Handler, Peer, answering, certified, saying, serve, speaking_tls
from single_journey import run_journey

OK = b"HTTP/1.1 200 OK\r\n"


def test_tls_is_spoken_with_whoever_answers_or_is_trusted(caller: Locust, tmp_path: Path):
    """By default any certificate will do, as for FastHttpUser; else only one that is trusted."""
    certificate = certified(tmp_path / "own.pem", "localhost")
    with serve(answering(), speaking_tls(certificate)) as server:
        url, text = f"https://localhost:{server.port}", 'return client.get("/x").status_code'
        taken = caller.call(url, text + '\nclient.get("/x")')
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
    assert (taken.value, trusted.value, refused.value) == (200, 200, 0)
    assert refused.failures == {"tls": 1}
    assert "certificate" in refused.events[0]["exception"]


@pytest.mark.parametrize(
    "handler",
    [saying(OK + b"Content-Length: 100\r\n\r\nabc"), saying(OK + b"\r\n" + b"x" * 200_000)],
)
def test_tls_ends_as_in_the_engine(caller: Locust, handler: Handler, tmp_path: Path):
    """A response cut short within TLS, or one that only its end ends, is what it is without."""
    certificate = certified(tmp_path / "own.pem", "localhost")
    trusting = ssl.create_default_context(cafile=f"{certificate}.crt")
    with serve(handler, speaking_tls(certificate)) as server:
        url = f"https://localhost:{server.port}"
        series, _ = run_journey(url, tls=trusting)
        called = caller.call(url, PLAY)
    assert called.failures == dict(series.errors)


def test_a_large_upload_and_answer_go_through_tls(caller: Locust, tmp_path: Path):
    """TLS carries megabytes both ways."""
    certificate = certified(tmp_path / "own.pem", "localhost")
    with serve(answering(body=b"y" * 3_000_000), speaking_tls(certificate)) as server:
        called = caller.call(
            f"https://localhost:{server.port}",
            'return len(client.post("/x", data=b"x" * 3_000_000).content)',
        )
    assert called.value == len(server.requests[0].body) == 3_000_000


@pytest.mark.parametrize("kind", ["timeout", "tls", "reset"])
def test_a_handshake_that_fails_has_its_kind(caller: Locust, kind: str):
    """TLS with a peer that is silent, hangs up or resets fails as in the engine."""

    def upset(peer: Peer) -> None:
        peer.socket.recv(65536)
        if kind == "reset":
            peer.reset()
        elif kind == "timeout":
            peer.socket.recv(65536)

    with serve(upset) as server:
        called = caller.call(
            f"https://127.0.0.1:{server.port}", 'client.get("/x")', connection_timeout=0.3
        )
    assert called.failures == {kind: 1}
