"""Into straingauge's record: each request once, whoever made it."""

import time
from collections.abc import Mapping

from geventhttpclient._parser import HTTPParseError
from geventhttpclient.response import HTTPConnectionClosed

from straingauge.http import ErrorKind, RawHeaders, Request, RequestFailed, encode_headers
from straingauge.journey import JourneyError
from straingauge.locust.http.response import LocustResponse, failure_of
from straingauge.recording import EndpointRecorder, Record, Recorder


class Recording:
    """The record of one run in one process.

    Attributes:
        began_ns: when it began, of `time.monotonic_ns`.
        requests: how many ended.
        connections: how many were opened.
        reconnected: of these, how many in place of one that the server had closed while idle.
        abandoned: requests on their way when their user was killed; they are nowhere counted.
    """

    def __init__(self) -> None:
        self.began_ns = time.monotonic_ns()
        self.requests = self.connections = self.reconnected = self.abandoned = 0
        self._recorder = Recorder()
        self._channels: dict[tuple[str, str], EndpointRecorder] = {}

    def add(
        self, phase: str, endpoint: str, answer: LocustResponse, failure: RequestFailed | None
    ) -> None:
        """Count a request of our own client, judged."""
        self.requests += 1
        channel = self._channels.get((phase, endpoint)) or self._channel(phase, endpoint)
        intended_ns, sent_ns = answer.intended_ns, answer.sent_ns
        first_ns, done_ns = answer.first_byte_ns, answer.done_ns
        if failure is None:
            channel.add(intended_ns, sent_ns, first_ns, done_ns, answer.status, answer.raw_headers)
        else:
            channel.fail(intended_ns, sent_ns, first_ns, done_ns, failure)

    def connected(self, phase: str, endpoint: str, took_ns: int) -> None:
        """Count the opening of a connection for a request of this endpoint."""
        self.connections += 1
        self._channel(phase, endpoint).connected(took_ns)

    def on_request(
        self,
        *,
        request_type: str,
        name: str,
        response_time: float | None,
        response: object = None,
        exception: Exception | None = None,
        **_: object,
    ) -> None:
        """Listen to `events.request` for what clients other than ours have sent."""
        if response.__class__ is LocustResponse:
            return
        done_ns = time.monotonic_ns()
        sent_ns = done_ns - round((response_time or 0) * 1e6)
        self.requests += 1
        channel = self._channel("main", f"{request_type} {name}")
        times = (sent_ns, sent_ns, 0, done_ns)  # when the first byte came Locust does not say
        # Not every client speaks HTTP, and each has responses of its own.
        status = getattr(response, "status_code", None) or 0
        headers = _raw_headers(getattr(response, "headers", None) or {})
        if exception is None:
            channel.add(*times, status, headers)
        else:
            answer = LocustResponse(Request(request_type, name, name), sent_ns)
            answer.status, answer.raw_headers = status, headers
            failure = failure_of(answer, exception) if status else _unanswered(exception)
            channel.fail(*times, failure)

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

    def _channel(self, phase: str, endpoint: str) -> EndpointRecorder:
        key = phase, endpoint
        if key not in self._channels:
            self._channels[key] = self._recorder.channel(phase, endpoint, self.began_ns)
        return self._channels[key]


def _raw_headers(headers: Mapping[str, str]) -> RawHeaders:
    """As straingauge keeps them, without the encoding that the client has undone."""
    return encode_headers(
        (name.encode("latin-1"), str(value).encode("latin-1"))
        for name, value in headers.items()
        if name.lower() != "content-encoding"
    )


_KINDS: tuple[tuple[tuple[type[BaseException], ...], ErrorKind], ...] = (
    ((ConnectionRefusedError,), ErrorKind.REFUSED),
    ((TimeoutError,), ErrorKind.TIMEOUT),
    ((HTTPConnectionClosed,), ErrorKind.SHORT_BODY),
    ((HTTPParseError,), ErrorKind.PROTOCOL),
    ((OSError,), ErrorKind.RESET),
)


def _unanswered(error: BaseException) -> RequestFailed:
    """What an exception of Locust's own clients stands for."""
    kind = next((kind for types, kind in _KINDS if isinstance(error, types)), ErrorKind.PROTOCOL)
    return RequestFailed(kind, str(error) or type(error).__name__)
