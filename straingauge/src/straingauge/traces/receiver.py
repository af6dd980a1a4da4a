"""An OTLP/HTTP receiver on this machine: it takes export requests, and never blocks a service.

Errors and floods are counted, not answered by an error that an exporter would repeat.
"""

import re
import threading
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

from straingauge.errors import TargetError
from straingauge.traces.span_buffer import Message, SpanBuffer

HOST: Final = "127.0.0.1"
PATH: Final = "/v1/traces"
DEFAULT_PORT: Final = 4318
IGNORED: Final = ("/v1/metrics", "/v1/logs")
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
MAX_CONNECTIONS: Final = 32
TIMEOUT_S: Final = 10.0
_PROTOBUF: Final = "application/x-protobuf"
_JSON: Final = "application/json"
_HEX: Final = re.compile(rb"[0-9a-fA-F]{1,15}")
_MAX_TRAILERS: Final = 20
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32


class Receiver:
    """Receives spans while the context lasts.

    Args:
        buffer: Where they are kept.
        port: The port; 0 takes any free port.

    Attributes:
        buffer: The same.
        port: The port in use.
    """

    port: int

    def __init__(self, buffer: SpanBuffer, port: int = 0) -> None:
        self.buffer = buffer
        self._wanted = port

    @property
    def endpoint(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        """Listen.

        Raises:
            TargetError: The port is in use.
        """
        try:
            self._server = _Server(self.buffer, self._wanted)
        except (OSError, OverflowError) as error:
            raise TargetError(
                f"no spans can be received at port {self._wanted}: {error}",
                hint="choose another port: --otlp-port 4320, and set it in the service, too",
            ) from error
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="straingauge-otlp", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=TIMEOUT_S)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # an exporter may keep its connection open
    request_queue_size = 128

    def __init__(self, buffer: SpanBuffer, port: int) -> None:
        self.buffer = buffer
        self.slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((HOST, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as in socketserver
        if not self.slots.acquire(blocking=False):
            self.buffer.add_refused()
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  as in socketserver
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  as in socketserver
        """Count a connection that was lost or idle for too long, instead of printing it."""
        self.buffer.add_refused()


class _RefusedError(Exception):
    """A request is no export request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S
    server: _Server

    def do_POST(self) -> None:  # the name is http.server's
        """Take an export request."""
        try:
            message = self._message()
        except _RefusedError as error:
            self.server.buffer.add_refused()
            self.close_connection = True
            self._answer(error.status, "text/plain", str(error).encode())
            return
        if message is not None:
            self.server.buffer.add(message)
        is_json = message is not None and message.is_json
        self._answer(200, _JSON if is_json else _PROTOBUF, b"{}" if is_json else b"")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401  as in http.server
        """Print nothing."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Count what is no request of HTTP/1.1, such as one of gRPC."""
        self.server.buffer.add_refused()
        super().send_error(code, message, explain)

    def _message(self) -> Message | None:
        """Read the export request; None for one of metrics or logs."""
        path = self.path.partition("?")[0].rstrip("/")
        if path not in (PATH, *IGNORED):
            raise _RefusedError(404, f"spans are received at {PATH}")
        kind = self.headers.get_content_type()
        if kind not in (_PROTOBUF, _JSON):
            raise _RefusedError(415, f"send {_PROTOBUF} or {_JSON}")
        body = self._decompressed(self._body())
        return Message(body, kind == _JSON) if path == PATH else None

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            raise _RefusedError(411, "send a Content-Length")
        if int(length) > MAX_BODY_BYTES:
            raise _RefusedError(413, f"more than {MAX_BODY_BYTES} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise _RefusedError(400, "the body is cut short")
        return body

    def _chunks(self) -> bytes:
        """Read a body in chunks (RFC 9112, section 7.1)."""
        parts: list[bytes] = []
        left = MAX_BODY_BYTES
        while True:
            size = self._chunk_size()
            if not size:
                break
            left -= size
            if left < 0:
                raise _RefusedError(413, f"more than {MAX_BODY_BYTES} bytes")
            parts.append(self.rfile.read(size))
            self.rfile.readline(3)
        trailers = iter(lambda: self.rfile.readline(1_025).strip(), b"")
        if sum(1 for _ in islice(trailers, _MAX_TRAILERS)) == _MAX_TRAILERS:
            raise _RefusedError(400, "too many trailers")
        return b"".join(parts)

    def _chunk_size(self) -> int:
        line = self.rfile.readline(1_025).partition(b";")[0].strip()
        if not _HEX.fullmatch(line):
            raise _RefusedError(400, "a chunk without its size")
        return int(line, 16)

    def _decompressed(self, body: bytes) -> bytes:
        coding = self.headers.get("Content-Encoding", "identity").strip().lower()
        if coding in ("", "identity"):
            return body
        if coding not in ("gzip", "deflate"):
            raise _RefusedError(415, "send gzip or no Content-Encoding")
        decoder = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            whole = decoder.decompress(body, MAX_BODY_BYTES)
        except zlib.error as error:
            raise _RefusedError(400, f"the body is no {coding}: {error}") from error
        if decoder.unconsumed_tail:
            raise _RefusedError(413, f"more than {MAX_BODY_BYTES} bytes")
        if not decoder.eof:
            raise _RefusedError(400, f"the body is no whole {coding}")
        return whole

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        with suppress(OSError):  # the exporter did not wait
            self.send_response_only(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
