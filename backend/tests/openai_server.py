"""A local HTTP server with an OpenAI-compatible API and predefined responses."""

import json
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class ReceivedRequest:
    """A request that was received."""

    path: str
    authorization: str | None
    content_type: str
    body: bytes


@dataclass
class CannedResponse:
    """A predefined response."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class OpenAIServer:
    """Returns `responses` in order, repeating the last one, and records all requests."""

    def __init__(self) -> None:
        self.responses: deque[CannedResponse] = deque()
        self.requests: list[ReceivedRequest] = []
        self._released = threading.Event()
        self._released.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def respond_with(self, *responses: CannedResponse) -> None:
        """Set the next responses."""
        self.responses = deque(responses)

    def hold(self) -> threading.Event:
        """Hold all responses until the returned event is set."""
        self._released = threading.Event()
        return self._released

    def _next(self, _request: ReceivedRequest) -> CannedResponse:
        return self.responses.popleft() if len(self.responses) > 1 else self.responses[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self._read()
                if len(body) < int(self.headers["Content-Length"] or 0):
                    self.close_connection = True  # the client was killed while it sent
                    return
                content_type, authorization = (
                    self.headers[name] for name in ("Content-Type", "Authorization")
                )
                request = ReceivedRequest(self.path, authorization, content_type, body)
                server.requests.append(request)
                server._released.wait(timeout=60)
                response = server._next(request)
                text = response.body if isinstance(response.body, bytes) else _json(response.body)
                self.send_response(response.status)
                for name, value in response.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                with suppress(OSError):  # the client may have been killed
                    self.wfile.write(text)

            def _read(self) -> bytes:
                length = self.headers["Content-Length"]
                if length is not None:
                    return self.rfile.read(int(length))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_: object) -> None:
                """Do not log requests."""

        return Handler


def _json(body: object) -> bytes:
    return json.dumps(body).encode()


def chat(content: object) -> CannedResponse:
    """Create a chat completion with this content."""
    text = content if isinstance(content, str) else json.dumps(content)
    return CannedResponse({"choices": [{"message": {"role": "assistant", "content": text}}]})
