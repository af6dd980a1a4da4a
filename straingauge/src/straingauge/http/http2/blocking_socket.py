"""HTTP/2 on a blocking socket, for probes and metrics, which speak HTTP/1.1."""

import io
import socket
from time import monotonic_ns
from typing import BinaryIO, Final

from straingauge.http.headers import Headers
from straingauge.http.http2.exchange import Http2Exchange
from straingauge.http.http2.session import Http2Session
from straingauge.http.models import Request, RequestFailed, Response

_RECEIVE_BYTES: Final = 65_536
_END: Final = b"\r\n\r\n"


class Http2Socket:
    """A socket as `http.client` uses it; the server sees requests of HTTP/2.

    Args:
        sock: An open connection.
        scheme: "http" or "https".
    """

    def __init__(self, sock: socket.socket, scheme: str) -> None:
        self._socket = sock
        self._session = Http2Session(scheme)
        self._request = b""

    def sendall(self, data: bytes) -> None:
        """Collect a request."""
        self._request += bytes(data)

    def makefile(self, _mode: str) -> BinaryIO:
        """Send the request, and return its response as HTTP/1.1.

        Raises:
            OSError: There is none.
        """
        head, _, _ = self._request.partition(_END)
        self._request = b""
        start, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = start.split(" ")
        headers = dict(line.split(": ", 1) for line in lines)
        host = headers.pop("Host").encode("ascii")
        request = Request(method, target, target, headers=headers)
        exchange = self._session.begin(request, host, b"", monotonic_ns())
        outcome = self._wait(exchange)
        return io.BytesIO(_as_http1(outcome))

    def _wait(self, exchange: Http2Exchange) -> Response:
        session = self._session
        while exchange.outcome is None:
            self._socket.sendall(session.take_data())
            session.receive(self._socket.recv(_RECEIVE_BYTES), monotonic_ns())
        session.take_ended()
        if isinstance(exchange.outcome, Response):
            return exchange.outcome
        if isinstance(exchange.outcome, RequestFailed):
            raise OSError(exchange.outcome.detail)
        raise ConnectionResetError("the connection was closed")

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _as_http1(response: Response) -> bytes:
    kept = [
        f"\r\n{name}: {value}".encode("latin-1")
        for name, value in Headers(response.raw_headers).items()
        if name != "content-length"
    ]
    length = b"\r\nContent-Length: %d" % len(response.raw_body)
    start = b"HTTP/1.1 %d " % response.status
    return b"".join([start, *kept, length, _END, response.raw_body])
