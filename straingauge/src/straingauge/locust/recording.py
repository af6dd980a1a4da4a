"""Locust's request events into straingauge's record: each request once, whoever made it."""

import time
from dataclasses import dataclass
from typing import Any

from geventhttpclient._parser import HTTPParseError
from geventhttpclient.response import HTTPConnectionClosed
from locust.contrib.fasthttp import FastResponse

from straingauge.journey import (
    JourneyError,
    Kind,
    RawHeaders,
    Request,
    RequestFailed,
    Response,
    worded,
)
from straingauge.record import Channel, Record, Recorder

CONTEXT = "straingauge"
"""Under this key of a request's context stands its `Sent`."""


@dataclass(slots=True)
class Sent:
    """What is known of a request that a journey made, beside what Locust knows."""

    phase: str
    endpoint: str
    due_ns: int
    at_ns: int
    failure: RequestFailed | None = None
    headers: RawHeaders | None = None


class Recording:
    """The record of one run in one process."""

    def __init__(self) -> None:
        self.began_ns = time.monotonic_ns()
        self.requests = 0
        self._recorder = Recorder()
        self._channels: dict[tuple[str, str], Channel] = {}

    def on_request(
        self,
        *,
        request_type: str,
        name: str,
        response_time: float,
        response: FastResponse | None = None,
        exception: BaseException | None = None,
        context: dict[str, Any] | None = None,
        **_: object,
    ) -> None:
        """Listen to `events.request`; a journey's request comes judged, a plain one not."""
        done_ns = time.monotonic_ns()
        taken_ns = round(response_time * 1e6)
        sent: Sent | None = (context or {}).get(CONTEXT)
        if sent is None:
            at_ns = done_ns - taken_ns
            sent = Sent("main", f"{request_type} {name}", at_ns, at_ns)
            sent.failure = failure_of(request_type, name, response, exception)
            sent.headers = raw_headers(response) if response is not None else None
        self.requests += 1
        channel = self._channel(sent.phase, sent.endpoint)
        # When the first byte came Locust does not say.
        times = (
            sent.due_ns,
            sent.at_ns,
            0,
            sent.at_ns + taken_ns,
        )
        if sent.failure is None:
            status = response.status_code if response is not None else 0
            channel.add(*times, status, sent.headers)
        else:
            channel.fail(*times, sent.failure)

    def journey_error(self, error: JourneyError, phase: str, name: str) -> None:
        """Count a failure of a journey's own code."""
        endpoint = error.after.name if error.after is not None else name
        self._channel(phase, endpoint).journey_error(str(error))

    def task_error(self, user: str, error: BaseException) -> None:
        """Count an exception that a task let out."""
        self._channel("main", user).journey_error(f"{type(error).__name__}: {error}")

    def snapshot(self) -> Record:
        """Everything so far."""
        return self._recorder.snapshot()

    def _channel(self, phase: str, endpoint: str) -> Channel:
        key = phase, endpoint
        if key not in self._channels:
            self._channels[key] = self._recorder.channel(phase, endpoint, self.began_ns)
        return self._channels[key]


def failure_of(
    method: str, name: str, response: FastResponse | None, exception: BaseException | None
) -> RequestFailed | None:
    """Why a plain Locust request failed; None when Locust holds it for good."""
    if exception is None:
        return None
    if response is None or not response.status_code:
        return RequestFailed(kind_of(exception), str(exception) or type(exception).__name__)
    request = Request(method, name, f"{method} {name}")
    answer = Response(request, response.status_code, raw_headers(response), response.content or b"")
    if response.status_code == 429:
        return RequestFailed(Kind.RATE_LIMITED, str(exception), answer)
    kind = Kind.BAD_STATUS if response.status_code >= 400 else Kind.FAILED_CHECK
    return RequestFailed(kind, str(exception), answer)


def raw_headers(response: FastResponse) -> RawHeaders:
    """The headers as straingauge keeps them, without the encoding that the client has undone."""
    items = response.headers.items() if response.headers else ()
    return worded(
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in items
        if name.lower() != "content-encoding"
    )


_KINDS: tuple[tuple[tuple[type[BaseException], ...], Kind], ...] = (
    ((ConnectionRefusedError,), Kind.REFUSED),
    ((TimeoutError,), Kind.TIMEOUT),
    ((HTTPConnectionClosed,), Kind.SHORT_BODY),
    ((HTTPParseError,), Kind.PROTOCOL),
    ((OSError,), Kind.RESET),
)


def kind_of(error: BaseException | None) -> Kind:
    """The kind of failure behind an exception of Locust's client."""
    return next((kind for types, kind in _KINDS if isinstance(error, types)), Kind.PROTOCOL)
