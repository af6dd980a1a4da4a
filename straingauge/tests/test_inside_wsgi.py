"""`Inside` around WSGI applications."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response
from metrics_text import sample, timing
from straingauge.inside import Inside

pytestmark = pytest.mark.usefixtures("own_values")


def test_the_interface_is_recognised_or_given():
    """An application that hides its parameters needs the argument `interface`."""

    def hidden(*_: object) -> list[bytes]:
        return []

    with pytest.raises(TypeError, match="give Inside"):
        Inside(hidden)
    app: Any = Inside(hidden, interface="wsgi")
    assert app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, None) == []


@pytest.fixture
def flask_app() -> Flask:
    """A Flask application with `Inside`, as its documentation says for middleware."""
    app = Flask(__name__)
    app.get("/hello", endpoint="hello")(lambda: "hello")
    app.get("/stream", endpoint="stream")(lambda: Response(str(n) for n in range(3)))

    @app.get("/fails")
    def fails() -> str:
        raise ZeroDivisionError("in the handler")

    app.wsgi_app = Inside(app.wsgi_app)  # type: ignore[method-assign]
    return app


def test_flask(flask_app: Flask):
    """A Flask application gets the header, its page, and keeps streams and exceptions."""
    client = flask_app.test_client()
    assert timing(client.get("/hello").headers["Server-Timing"])["app"] > 0
    assert client.get("/stream").data == b"012"
    found = sample(client.get("/metrics").text)
    assert found["rss_bytes"] > 1e6
    assert "loop_blocks" not in found
    assert client.get("/metrics", headers={"X-Real-IP": "127.0.0.1"}).status_code == 404
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.7"}).status_code == 404
    assert client.get("/nothing").status_code == 404
    flask_app.testing = True
    with pytest.raises(ZeroDivisionError, match="in the handler"):
        client.get("/fails")


def test_a_wsgi_generator_starts_its_response_late():
    """An application that calls start_response with its first chunk works, and is closed."""
    closed = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:  # noqa: ANN401
        try:
            status = "404 Not Found" if environ["PATH_INFO"] == "/metrics" else "200 OK"
            start_response(status, [])
            yield b"first"
            yield b"second"
        finally:
            closed.append(environ["PATH_INFO"])

    started: list[Any] = []
    inside: Any = Inside(app)
    environ = {"REQUEST_METHOD": "GET", "REMOTE_ADDR": "127.0.0.1", "SERVER_PORT": "80"}

    def start(status: str, headers: list[tuple[str, str]]) -> None:
        started.append((status, dict(headers)))

    assert list(inside({**environ, "PATH_INFO": "/"}, start)) == [b"first", b"second"]
    assert "Server-Timing" in started[0][1]
    assert b"process_threads" in b"".join(inside({**environ, "PATH_INFO": "/metrics"}, start))
    assert (started[1][0], closed) == ("200 OK", ["/", "/metrics"])
