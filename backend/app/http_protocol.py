"""HTTP/1.1 connections with limits, which uvicorn lacks.

`app.serve` starts uvicorn with this class, a subclass of uvicorn's connection on httptools. It

- refuses headers that are too large or too many, before they are complete,
- disconnects clients that stop to send or to receive,
- keeps the number of connections below the number of files that the process may open, by closing
  idle ones,
- sends a refusal in the JSON error format, and closes the connection after the client has read it.

The limits stand in `app.limits`. A request costs two calls and a few comparisons more than with
uvicorn's own class: what can be found out when a timer fires is not recorded before.
"""

import asyncio
import itertools
import logging
import resource
from functools import cache
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from app import limits
from app.context import RequestContext, current_request
from app.errors import (
    AppError,
    BadRequest,
    HeadersTooLarge,
    RequestTimeout,
    TargetTooLong,
    Unavailable,
    error_response,
)
from app.middleware.request_context import SECURITY_HEADERS, new_ids, server_timing

logger = logging.getLogger(__name__)

_LINGER_S = 2.0
"""Time between a refusal and the end of its connection, during which input is discarded. A
connection closed with unread input is reset, and the client might lose the response."""


@cache
def max_connections() -> int:
    """Return the number of connections that this process accepts.

    It is at most half of the open files, because a request may open a file, too.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits.MAX_CONNECTIONS
    return min(limits.MAX_CONNECTIONS, soft // 2)


class LimitedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    _numbers: ClassVar = itertools.count()
    _request_ids: ClassVar = new_ids()
    _closable: ClassVar[list["LimitedHttpProtocol"]] = []
    """Connections that were idle when last searched, the next to close at the end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- those of uvicorn
        super().__init__(*args, **kwargs)
        self.url, self.headers = b"", []  # uvicorn sets them with the first byte of a request
        self._number = next(self._numbers)
        self._refusal: AppError | None = None
        self._is_refused = False
        # Bytes since the last complete head or part of a body: an incomplete head, chunk
        # extensions or trailers.
        self._pending_bytes = 0
        self._body_bytes = 0  # of all bodies
        self._watchdog: asyncio.TimerHandle | None = None
        self._last_state: tuple[str, RequestResponseCycle | None] | None = ("head", None)
        self._last_body_bytes = 0
        self._last_unsent = (0, 0)
        self._send_stalls = 0
        self._writes_resumed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to watch the connection, and make room for it."""
        super().connection_made(transport)  # type: ignore[arg-type]  # as in uvicorn
        self._watchdog = self.loop.call_later(limits.STALL_S, self._check_progress)
        if len(self.connections) > max_connections():
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to watch the connection."""
        if self._watchdog is not None:
            self._watchdog.cancel()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        """Close an idle connection: first those without any request, the oldest first."""
        closable = self._closable
        if not closable:
            idle = [each for each in self.connections if isinstance(each, LimitedHttpProtocol)]
            idle.sort(key=lambda each: (each.cycle is None, -each._number))  # noqa: SLF001
            closable += [each for each in idle if each.is_idle and each is not self]
        while closable:
            connection = closable.pop()
            if connection.is_idle:
                connection.transport.close()
                return
        self._refuse(Unavailable("Too many connections.", code="too_many_connections"))

    @property
    def is_idle(self) -> bool:
        """True if the connection is open and no request is in progress."""
        is_answered = self.cycle is None or self.cycle.response_complete
        return is_answered and not self.transport.is_closing()

    def data_received(self, data: bytes) -> None:
        """Parse data unless the connection was refused."""
        if self._is_refused:
            return
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._pending_bytes > limits.MAX_HEADER_BYTES and not self._is_refused:
            self._refuse(self._head_error())

    def on_headers_complete(self) -> None:
        """Check the headers and start the request."""
        if self._pending_bytes > limits.MAX_HEADER_BYTES:
            # The data may have contained more than the headers.
            fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.url) + fields > limits.MAX_HEADER_BYTES:
                self._stop_parsing(self._head_error())
        if len(self.headers) > limits.MAX_HEADERS:
            self._stop_parsing(self._head_error())
        if len(self.pipeline) >= limits.MAX_PIPELINED:
            self._stop_parsing(BadRequest("Too many requests were sent ahead."))
        self._pending_bytes = 0
        super().on_headers_complete()
        self.headers = []  # for trailers, which must not become headers of the request

    def on_body(self, body: bytes) -> None:
        """Receive a part of a body."""
        self._pending_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def resume_writing(self) -> None:
        """Continue to send after the client has received enough."""
        self._writes_resumed += 1
        super().resume_writing()

    def _head_error(self) -> AppError:
        if not self.headers and len(self.url) > limits.MAX_TARGET_BYTES:
            return TargetTooLong(
                f"Path and query may have at most {limits.MAX_TARGET_BYTES} bytes."
            )
        return HeadersTooLarge(
            f"A request may have at most {limits.MAX_HEADERS} headers of"
            f" {limits.MAX_HEADER_BYTES} bytes in total."
        )

    def _stop_parsing(self, error: AppError) -> None:
        """Raise an error in a callback of the parser, so that uvicorn sends a response of 400."""
        self._refusal = error
        raise error

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed."""
        self._refuse(self._refusal or BadRequest(msg))

    def _refuse(self, error: AppError) -> None:
        """Send an error, discard further input, and close the connection a little later."""
        self._is_refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:  # responses must come in order
                self.pipeline.clear()
                self.transport.close()
                return
        # The request may be incomplete, so the middleware has not given it an id.
        context = RequestContext(next(self._request_ids), str(self.client and self.client[0]))
        token = current_request.set(context)
        try:
            response = error_response(error)
            logger.info("refused a request that was not served: %s", error.code)
        finally:
            current_request.reset(token)
        headers = [
            *self.server_state.default_headers,
            *response.raw_headers,
            *SECURITY_HEADERS,
            (b"x-request-id", context.request_id.encode()),
            (b"server-timing", server_timing(context, 0)),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(
            b"".join((STATUS_LINE[response.status_code], lines, b"\r\n", response.body))
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_S, self.transport.close)

    def _check_progress(self) -> None:
        """Disconnect a client that has stalled since the previous check."""
        if not self.transport.is_closing() and not self._is_refused:
            self._check_receiving()
        self._check_sending()
        self._watchdog = self.loop.call_later(limits.STALL_S, self._check_progress)

    def _check_receiving(self) -> None:
        state, received_bytes = self._awaited(), self._body_bytes - self._last_body_bytes
        is_same = state == self._last_state
        self._last_state, self._last_body_bytes = state, self._body_bytes
        if not is_same or state is None:
            return
        match state[0]:
            case "head" if self._pending_bytes:
                self._refuse(RequestTimeout("The request did not arrive in time."))
            case "body" if received_bytes < limits.MIN_BODY_BYTES_PER_S * limits.STALL_S:
                self._refuse(RequestTimeout("The body did not arrive in time."))
            case "head" | "rest":
                self.transport.close()

    def _awaited(self) -> tuple[str, RequestResponseCycle | None] | None:
        """Return what the client has to send, and the latest request; None if nothing."""
        cycle = self.cycle
        if cycle is None:
            return "head", None
        if cycle.response_complete:
            if self.timeout_keep_alive_task is not None:
                return None  # uvicorn closes the connection, if it stays idle
            return "rest" if cycle.more_body else "head", cycle
        if cycle.more_body and not self.flow.read_paused and not cycle.waiting_for_100_continue:
            return "body", cycle
        return None

    def _check_sending(self) -> None:
        unsent = self.transport.get_write_buffer_size(), self._writes_resumed
        is_stalled = unsent[0] > 0 and unsent == self._last_unsent
        self._send_stalls = self._send_stalls + 1 if is_stalled else 0
        self._last_unsent = unsent
        if self._send_stalls * limits.STALL_S >= limits.SEND_STALL_S:
            self.transport.abort()
