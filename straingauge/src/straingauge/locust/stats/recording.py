"""The recording of requests in one Locust process, of straingauge's client and of others."""

import time
from collections.abc import Mapping

from geventhttpclient._parser import HTTPParseError
from geventhttpclient.response import HTTPConnectionClosed

from straingauge.http import ErrorKind, RawHeaders, Request, RequestFailed, encode_headers
from straingauge.journey import JourneyError
from straingauge.locust.http.response import LocustResponse, failure_of
from straingauge.recording import EndpointRecorder, Record, Recorder


class Recording:
    """The requests of one run in one process; each counts once.

    Args:
        started_ns: Start of the run (`time.monotonic_ns`).

    Attributes:
        started_ns: Start of the run.
        requests: Number of requests that have ended.
        connections: Number of connections that were opened.
        reconnected: Connections opened in place of one that the server had closed while idle.
        abandoned: Requests in flight when their user was killed; counted nowhere else.
    """

    def __init__(self, started_ns: int) -> None:
        self.started_ns = started_ns
        self.requests = self.connections = self.reconnected = self.abandoned = 0
        self._recorder = Recorder()
        self._endpoints: dict[tuple[str, str], EndpointRecorder] = {}

    def add(
        self, phase: str, endpoint: str, response: LocustResponse, failure: RequestFailed | None
    ) -> None:
        """Record a request of straingauge's client."""
        self.requests += 1
        recorder = self._endpoints.get((phase, endpoint)) or self._get_recorder(phase, endpoint)
        intended_ns, sent_ns = response.intended_ns, response.sent_ns
        first_ns, done_ns = response.first_byte_ns, response.done_ns
        if failure is None:
            status, headers = response.status, response.raw_headers
            recorder.add(intended_ns, sent_ns, first_ns, done_ns, status, headers)
        else:
            recorder.add_failure(intended_ns, sent_ns, first_ns, done_ns, failure)

    def add_connection(self, phase: str, endpoint: str, took_ns: int) -> None:
        """Record a connection that was opened for a request of this endpoint."""
        self.connections += 1
        self._get_recorder(phase, endpoint).add_connection(took_ns)

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
        """Record a request of another client; a listener of `events.request`."""
        if response.__class__ is LocustResponse:
            return
        done_ns = time.monotonic_ns()
        sent_ns = done_ns - round((response_time or 0) * 1e6)
        self.requests += 1
        recorder = self._get_recorder("main", f"{request_type} {name}")
        times = (sent_ns, sent_ns, 0, done_ns)  # Locust does not report the first byte
        # Not every client speaks HTTP, and their responses differ.
        status = getattr(response, "status_code", None) or 0
        headers = _raw_headers(getattr(response, "headers", None) or {})
        if exception is None:
            recorder.add(*times, status, headers)
        else:
            failed = LocustResponse(Request(request_type, name, name), sent_ns)
            failed.status, failed.raw_headers = status, headers
            failure = failure_of(failed, exception) if status else _failure_of_client(exception)
            recorder.add_failure(*times, failure)

    def add_journey_error(self, error: JourneyError, phase: str, name: str) -> None:
        """Record an exception raised by a journey's code."""
        endpoint = error.after.name if error.after is not None else name
        self._get_recorder(phase, endpoint).add_journey_error(str(error))

    def add_task_error(self, user_class: str, error: BaseException) -> None:
        """Record an exception raised by a task."""
        self._get_recorder("main", user_class).add_journey_error(f"{type(error).__name__}: {error}")

    def snapshot(self) -> Record:
        """Return everything recorded so far."""
        return self._recorder.snapshot()

    def _get_recorder(self, phase: str, endpoint: str) -> EndpointRecorder:
        key = phase, endpoint
        if key not in self._endpoints:
            self._endpoints[key] = self._recorder.endpoint_sink(phase, endpoint, self.started_ns)
        return self._endpoints[key]


def _raw_headers(headers: Mapping[str, str]) -> RawHeaders:
    """Convert headers, except for the content encoding, which the client has removed."""
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


def _failure_of_client(error: BaseException) -> RequestFailed:
    """Classify an exception of one of Locust's clients."""
    kind = next((kind for types, kind in _KINDS if isinstance(error, types)), ErrorKind.PROTOCOL)
    return RequestFailed(kind, str(error) or type(error).__name__)
