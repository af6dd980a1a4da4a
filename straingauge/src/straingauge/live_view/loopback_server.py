"""An HTTP server on this machine for the page and the control of a run, in threads.

A page of another site could send requests to it through the user's browser. Therefore the header
`Host` must name this server, which excludes DNS rebinding, and `Origin`, where there is one, as
well; whatever changes a run also needs a token in the header `Authorization`, which no form of
another page can set.
"""

import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from straingauge.errors import TargetError
from straingauge.live_view.page_files import POLICY

HOST: Final = "127.0.0.1"
MAX_BODY_BYTES: Final = 4096
MAX_CONNECTIONS: Final = 32
TIMEOUT_S: Final = 10.0

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response.

    Attributes:
        body: Its body.
        mimetype: Its media type.
        status: Its status.
        headers: More headers.
    """

    body: str | bytes
    mimetype: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """A request is not executed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Route:
    """A function for the requests of one method and path.

    Attributes:
        call: Gets the parameters of the query and of a form in the body; raises RefusedError.
        needs_token: Only requests with the token are executed.
    """

    call: Callable[[Parameters], Reply]
    needs_token: bool = False


class LoopbackServer:
    """Serves routes while the context lasts.

    Args:
        routes: By method and path, such as ("GET", "/"); a path "/static/*" is for all below.
        port: The port; 0 takes any free port.
        option: The option with the port, for the error that it is in use.
        token: The token.
    """

    def __init__(
        self, routes: Mapping[tuple[str, str], Route], port: int, *, option: str, token: str
    ) -> None:
        try:
            self._server = _Server(routes, port, token)
        except (OSError, OverflowError) as error:
            raise TargetError(
                f"port {port} cannot be used: {error}", hint=f"choose another port: {option} PORT"
            ) from error
        self.port: int = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.2},
            name="straingauge-live",
            daemon=True,
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=TIMEOUT_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a browser keeps its connection open

    def __init__(self, routes: Mapping[tuple[str, str], Route], port: int, token: str) -> None:
        self.routes = routes
        self.token = token
        self.slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as in socketserver
        if self.slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as in socketserver
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as in socketserver
        """Ignore a connection that was lost, instead of printing it into the progress line."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S
    server: _Server

    def log_message(self, *_: object) -> None:
        """Print nothing: the terminal shows the progress of the run."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            reply = self._call()
        except RefusedError as error:
            body = json.dumps({"error": str(error)})
            reply = Reply(body, status=error.status)
            self.close_connection = True  # its body may not have been read
        data = reply.body.encode() if isinstance(reply.body, str) else reply.body
        self.send_response(reply.status)
        self.send_header("Content-Type", f"{reply.mimetype}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (self._safe() | dict(reply.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    @staticmethod
    def _safe() -> dict[str, str]:
        return {
            "Cache-Control": "no-store",
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
        }

    def _call(self) -> Reply:
        port = self.server.server_address[1]
        hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        if self.headers.get("Host", "").lower() not in hosts:
            raise RefusedError(421, "the header Host does not name this server")
        origin = self.headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
            raise RefusedError(403, "requests from pages of other origins are refused")
        parts = urlsplit(self.path)
        folder = f"{parts.path.rpartition('/')[0]}/*"
        routes = self.server.routes
        for path in (parts.path, folder):
            if route := routes.get((self.command, path)):
                break
        else:
            others = [each for each, path in routes if path == parts.path]
            if others:
                raise RefusedError(405, f"use {' or '.join(others)}")
            raise RefusedError(404, "there is nothing at this path")
        if route.needs_token:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ").encode()
            if not hmac.compare_digest(given, self.server.token.encode()):
                raise RefusedError(401, 'send the token: -H "Authorization: Bearer TOKEN"')
        return route.call(
            {**dict(parse_qsl(parts.query, keep_blank_values=True)), **self._form(), "": parts.path}
        )

    def _form(self) -> dict[str, str]:
        """Read the form in the body."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            raise RefusedError(411, "send a Content-Length")
        if int(length) > MAX_BODY_BYTES:
            raise RefusedError(413, f"the body is longer than {MAX_BODY_BYTES} bytes")
        body = self.rfile.read(int(length)) if int(length) else b""
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
