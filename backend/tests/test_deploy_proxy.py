"""The proxy of `deploy/`, run by nginx on this machine."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from app import limits
from app import serve as serve_module
from app.settings import Settings
from deployment import DEPLOY
from service import DEADLINE_S, PASSWORD, Service
from straingauge.target.ports import free_port

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH')}:/usr/sbin")
CONFIG = (DEPLOY / "nginx.conf").read_text()
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt install nginx")
UPLOAD = "/api/sessions/upload"


class Echo(BaseHTTPRequestHandler):
    """Responds with the headers and the size of the body of a request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read the body and respond."""
        size = len(self.rfile.read(int(self.headers.get("content-length", 0))))
        body = json.dumps({"path": self.path, "headers": self.headers.items(), "size": size})
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST  # noqa: N815 -- the name of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- of the base class
        """Write no log."""


@contextmanager
def proxy_to(upstream_port: int) -> Iterator[int]:
    """Run nginx with the shipped configuration, as a user without rights; yield its port."""
    assert NGINX is not None
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "nginx.conf"
        text = CONFIG.replace("/tmp/nginx.pid", f"{folder}/nginx.pid")  # noqa: S108 -- its text
        text = text.replace("/var/cache/nginx/buffers", str(folder))
        text = text.replace("service:8000", f"127.0.0.1:{upstream_port}")
        text = text.replace("listen 8080", f"listen 127.0.0.1:{port}")
        text = text.replace("listen [::]:8080", f"listen [::1]:{port}")
        text = text.replace("client_header_timeout 10s", "client_header_timeout 1s")
        config.write_text(text)
        is_root = os.getuid() == 0
        if is_root:
            os.chown(folder, 65534, 65534)
            os.chown(config, 65534, 65534)
        process = subprocess.Popen(
            [NGINX, "-e", "stderr", "-c", config, "-g", "daemon off;"],
            user=65534 if is_root else None,
            group=65534 if is_root else None,
            extra_groups=[] if is_root else None,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE_S)


def _wait_for(port: int, process: "subprocess.Popen[str]") -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
        else:
            return


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Port of a proxy in front of a server that responds with what it received."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with proxy_to(server.server_port) as port:
                yield port
        finally:
            server.shutdown()
            thread.join()


def send(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[HTTPResponse, dict]:
    """Send a request; return the response and its JSON."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        return response, json.loads(response.read())


@needs_nginx
@pytest.mark.parametrize("path", ["/api/sessions/?limit=5", "/live", "/ready"])
def test_api_and_health_checks_are_published(port: int, path: str):
    """The API and two health checks are passed to the service as they were requested."""
    response, echo = send(port, "GET", path)
    assert response.status == 200
    assert echo["path"] == path


@needs_nginx
@pytest.mark.parametrize(
    "path",
    [
        *("/", "/metrics", "/health", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"),
        *("//metrics", "/api/../metrics", "/api/%2e%2e/metrics", "/api/..%2fmetrics", "/live/x"),
        *("/METRICS", "/metrics/", "/metrics?a=/api/", "/%6detrics"),
    ],
)
def test_everything_else_is_not(port: int, path: str):
    """Metrics, documentation and details of the health check are not reachable from outside."""
    response, error = send(port, "GET", path)
    assert response.status == 404
    assert error["error"]["code"] == "not_found"
    assert response.headers["content-type"] == "application/json"
    assert "nginx/" not in response.headers["server"]


@needs_nginx
def test_claimed_addresses_are_replaced(port: int):
    """The service receives the address of the connection, whatever a client claims."""
    forged = {"X_Forwarded_For": "9.9.9.9", "Forwarded": "for=9.9.9.9", "X_Forwarded_Proto": "a"}
    _, echo = send(port, "GET", "/api/", **forged, X_Forwarded_Host="evil.example")
    found = [(name.lower(), value) for name, value in echo["headers"]]
    assert [each for each in found if "forwarded" in each[0]] == [("x-forwarded-for", "127.0.0.1")]


@needs_nginx
def test_large_headers_are_refused(port: int):
    """A header line over 8 KiB, a header over 32 KiB and a URL over 8 KiB are refused."""
    for headers in ({"a": "x" * 9000}, {f"a{n}": "x" * 7000 for n in range(6)}):
        response, error = send(port, "GET", "/live", **headers)
        assert response.status == 431
        assert error["error"]["code"] == "headers_too_large"
    response, error = send(port, "GET", "/api/?" + "x" * 9000)
    assert (response.status, error["error"]["code"]) == (414, "uri_too_long")


@needs_nginx
def test_large_bodies_are_refused(port: int):
    """A body over 1 MiB is refused before it is read, except that of an upload."""
    body = bytes(1024 * 1024 + 1)
    with closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)) as connection:
        connection.putrequest("POST", "/api/v1/auth/login")
        connection.putheader("Content-Length", str(400 * 1024 * 1024))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"]["code"] == "payload_too_large"
    response, echo = send(port, "POST", UPLOAD, body)
    assert (response.status, echo["size"]) == (200, len(body))


@needs_nginx
def test_slow_headers_are_refused(port: int):
    """A connection whose header does not arrive in time is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as connection:
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: a\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1000)


@needs_nginx
def test_uploads_of_one_address_are_bounded(port: int):
    """A fifth concurrent upload of one address is refused, and other requests are not."""
    head = f"POST {UPLOAD} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".encode()
    opened = []
    try:
        for _ in range(4):
            opened.append(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
            opened[-1].sendall(head)
        deadline_s = time.monotonic() + DEADLINE_S
        while send(port, "POST", UPLOAD, b"")[0].status != 429:
            assert time.monotonic() < deadline_s
        assert send(port, "GET", "/live")[0].status == 200
    finally:
        for connection in opened:
            connection.close()


@needs_nginx
def test_missing_service_is_an_error_in_the_format_of_the_service():
    """Without the service the response is a 502 with an error as the service writes it."""
    with proxy_to(free_port()) as port:
        response, error = send(port, "GET", "/api/")
        assert response.status == 502
        assert error["error"] == {
            "code": "unavailable",
            "message": "The service is unavailable.",
            "request_id": None,
        }


@needs_nginx
def test_service_behind_the_proxy(serve: Callable[..., Service]):
    """Behind the proxy accounts work, and a forged address does not evade a limit."""
    service = serve(TRUSTED_PROXIES="127.0.0.1", RATE_LIMIT_SIGNUP="1/hour")
    with proxy_to(service.port) as port:
        person = {"email": "ann@example.com", "password": PASSWORD, "full_name": "Ann"}
        for email, status in (("ann@example.com", 201), ("bob@example.com", 429)):
            body = json.dumps(person | {"email": email, "role": "therapist"}).encode()
            kind = {"Content_Type": "application/json", "X_Forwarded_For": email}
            response, _ = send(port, "POST", "/api/v1/auth/signup", body, **kind)
            assert response.status == status
        assert send(port, "GET", "/metrics")[0].status == 404


def test_limits_fit_those_of_the_service():
    """The proxy lets the largest requests pass, and closes idle connections before the service."""
    sizes = [int(size) * 1024 * 1024 for size in re.findall(r"client_max_body_size (\d+)m", CONFIG)]
    largest = Settings.model_fields["max_upload_bytes"].default
    assert min(sizes) > limits.MAX_NOTES_BODY_BYTES
    assert max(sizes) > limits.body_limit("POST", UPLOAD, largest).max_bytes
    (count, size) = re.findall(r"large_client_header_buffers (\d+) (\d+)k", CONFIG)[0]
    assert int(count) * int(size) * 1024 == limits.MAX_HEADER_BYTES
    assert int(size) * 1024 == limits.MAX_TARGET_BYTES
    upstream = CONFIG[CONFIG.index("upstream service") :]
    (keepalive,) = re.findall(r"keepalive_timeout (\d+)s", upstream)
    assert int(keepalive) < serve_module.KEEP_ALIVE_S
