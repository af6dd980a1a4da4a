"""The recording of requests in one Locust process, of straingauge's client and of others."""

import time
from collections.abc import Mapping
from typing import Any

from straingauge.http import RequestFailed
from straingauge.http.traceparent import TraceIds
from straingauge.http.websocket import WebSocket
from straingauge.journey import JourneyError, Transaction, TransactionEnd
from straingauge.locust.http.response import LocustResponse
from straingauge.locust.stats.foreign_request import ForeignRequest
from straingauge.recording import EndpointRecorder, Record, Recorder


class Recording:
    """The requests of one run in one process; each counts once.

    Args:
        started_ns: Start of the run (`time.monotonic_ns`).
        trace_ids: Makes the header `traceparent` of each request; None to send none.

    Attributes:
        started_ns: Start of the run.
        trace_ids: The same.
        requests: Number of requests that have ended.
        connections: Number of connections that were opened.
        reconnected: Connections opened in place of one that the server had closed while idle.
        closed_idle: Connections that the server had closed while no request was in flight, as far
            as their user noticed: it looks at its next request.
        http2_connections, http1_instead: See `EngineStats`.
        abandoned: Requests in flight when their user was killed; counted nowhere else.
    """

    def __init__(self, started_ns: int, trace_ids: TraceIds | None = None) -> None:
        self.started_ns = started_ns
        self.trace_ids = trace_ids
        self.requests = self.connections = self.abandoned = 0
        self.reconnected = self.closed_idle = self.http2_connections = self.http1_instead = 0
        self._recorder = Recorder(trace_ids)
        self._endpoints: dict[tuple[str, str], EndpointRecorder] = {}

    def add(
        self, phase: str, endpoint: str, response: LocustResponse, failure: RequestFailed | None
    ) -> None:
        """Record a request of straingauge's client."""
        self.requests += 1
        recorder = self._endpoints.get((phase, endpoint)) or self._get_recorder(phase, endpoint)
        intended_ns, sent_ns = response.intended_ns, response.sent_ns
        first_ns, done_ns = response.first_byte_ns, response.done_ns
        if response.stream is not None:
            recorder.add_stream(intended_ns, response.stream)
        if failure is None:
            status, headers = response.status, response.raw_headers
            recorder.add(intended_ns, sent_ns, first_ns, done_ns, status, headers, response.trace)
        else:
            recorder.add_failure(intended_ns, sent_ns, first_ns, done_ns, failure, response.trace)

    def add_connection(self, phase: str, endpoint: str, took_ns: int) -> None:
        """Record a connection that was opened for a request of this endpoint."""
        self.connections += 1
        self._get_recorder(phase, endpoint).add_connection(took_ns)

    def add_call(
        self,
        phase: str,
        endpoint: str,
        began_ns: int,
        done_ns: int,
        failure: RequestFailed | None,
        *,
        status: int = 0,
    ) -> None:
        """Record an own step of a journey, or a step of a WebSocket."""
        self.requests += 1
        recorder = self._get_recorder(phase, endpoint)
        if failure is None:
            recorder.add(began_ns, began_ns, 0, done_ns, status, None)
        else:
            recorder.add_failure(began_ns, began_ns, 0, done_ns, failure)

    def add_websocket(self, phase: str, endpoint: str, socket: WebSocket) -> None:
        """Record a WebSocket that was closed now."""
        self._get_recorder(phase, endpoint).add_websocket(socket, time.monotonic_ns())

    def on_request(self, event: Mapping[str, Any]) -> None:
        """Record a request of another client, from Locust's request event."""
        if event.get("response").__class__ is LocustResponse:
            return
        found = ForeignRequest.from_event(event)
        self.requests += 1
        recorder = self._get_recorder("main", found.endpoint)
        times = (found.sent_ns, found.sent_ns, 0, found.done_ns)  # first bytes are not reported
        if found.failure is not None:
            recorder.add_failure(*times, found.failure, is_timed=found.is_timed)
        elif found.is_timed:
            recorder.add(*times, found.status, found.headers)
        else:
            recorder.add_untimed(found.done_ns, found.status, found.headers)

    def add_journey_error(self, error: JourneyError, phase: str, name: str) -> None:
        """Record an exception raised by a journey's code."""
        endpoint = error.after.name if error.after is not None else name
        self._get_recorder(phase, endpoint).add_journey_error(str(error))

    def add_transaction(
        self, phase: str, transaction: Transaction, end: TransactionEnd, ended_ns: int
    ) -> None:
        """Record a transaction."""
        recorder = self._recorder.transaction_sink(phase, transaction.name)
        recorder.add(transaction.begun_ns, ended_ns, transaction.paused_ns, end)

    def add_task_error(self, user_class: str, error: BaseException) -> None:
        """Record an exception raised by a task."""
        self._get_recorder("main", user_class).add_journey_error(f"{type(error).__name__}: {error}")

    def fold(self, endpoint: str) -> str:
        """Return the name under which an endpoint counts; see `EndpointNames`."""
        return self._recorder.names.fold(endpoint)

    def snapshot(self) -> Record:
        """Return everything recorded so far."""
        return self._recorder.snapshot()

    def _get_recorder(self, phase: str, endpoint: str) -> EndpointRecorder:
        key = phase, self.fold(endpoint)
        if key not in self._endpoints:
            self._endpoints[key] = self._recorder.endpoint_sink(*key, self.started_ns)
        return self._endpoints[key]
