"""Record outcomes: append them at once, and count them in bulk later."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Ints, bucket_of
from straingauge.http import ErrorKind, RawHeaders, RequestFailed, StreamReader
from straingauge.http.traceparent import TraceIds
from straingauge.http.websocket import WebSocket
from straingauge.plain_text import without_controls
from straingauge.recording.endpoint_names import OTHER, EndpointNames
from straingauge.recording.error_codes import (
    KIND_SHIFT,
    LIMITED,
    SERVED,
    STATUS,
    UNTIMED,
    code_of,
    kind_of,
)
from straingauge.recording.error_timeline import kind_name
from straingauge.recording.record import Record, phase_of
from straingauge.recording.request_samples import RequestSample, RequestSamples
from straingauge.recording.sampled_requests import first_sampled, sampled_requests
from straingauge.recording.series import EXAMPLES_PER_KIND, Example, Series
from straingauge.recording.server_timing_header import (
    columns_ms,
    durations_ms,
    request_id,
    server_timing,
)
from straingauge.recording.slow_requests import SlowRequest, candidates, slowest
from straingauge.recording.stream_counts import add_stream, add_websocket
from straingauge.recording.timeline import ERRORS, RATE_LIMITED, STARTED
from straingauge.recording.transactions import TransactionRecorder, TransactionSeries
from straingauge.redaction import redact

_COLUMNS: Final = 6
# Few enough to count in 0.3 ms, which delays no request; enough to be efficient.
_FLUSH_AT: Final = 1024 * _COLUMNS


class EndpointRecorder:
    """Record the outcomes of one endpoint in one phase; times are of `time.monotonic_ns`."""

    __slots__ = (
        *("_add_samples", "_connects", "_headers"),
        *("_origin_ns", "_rows", "_series", "_trace_ids"),
    )

    def __init__(
        self,
        series: Series,
        origin_ns: int,
        trace_ids: TraceIds | None = None,
        add_samples: Callable[[Ints], None] | None = None,
    ) -> None:
        self._series = series
        self._trace_ids = trace_ids
        self._add_samples = add_samples
        self._origin_ns = origin_ns
        # `_COLUMNS` values for each outcome: intended, sent, first byte, done, code, trace.
        self._rows: list[int] = []
        self._headers: list[RawHeaders | None] = []  # one for each outcome
        self._connects: list[int] = []

    def add(  # noqa: PLR0917  keyword arguments or an object for each outcome are slower
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        status: int,
        headers: RawHeaders | None,
        trace: int = 0,
    ) -> None:
        """Add a successful request; the headers are kept until the next flush."""
        self._headers.append(headers)
        rows = self._rows
        rows += (intended_ns, sent_ns, first_byte_ns, done_ns, status, trace)
        if len(rows) >= _FLUSH_AT:
            self.flush()

    def add_failure(  # noqa: PLR0917  as `add`
        self,
        intended_ns: int,
        sent_ns: int,
        first_byte_ns: int,
        done_ns: int,
        failure: RequestFailed,
        trace: int = 0,
        *,
        is_timed: bool = True,
    ) -> None:
        """Add a request that failed or was rate-limited.

        Args:
            intended_ns: When it was due.
            sent_ns: When it was sent; `intended_ns` if it was not.
            first_byte_ns: When the response began; 0 if there was none.
            done_ns: When it ended.
            failure: The failure, with the response if there was one.
            trace: Number of its trace; 0 without one.
            is_timed: Its response time is known.
        """
        response = failure.response
        status = 0 if response is None else response.status
        request_id = "" if response is None else response.headers.get("x-request-id", "")
        if failure.kind is not ErrorKind.RATE_LIMITED:
            self._example(failure.kind, failure.detail, status, request_id, self._trace_id(trace))
        headers = None if response is None else response.raw_headers
        code = status | code_of(failure.kind) | (0 if is_timed else UNTIMED)
        self.add(intended_ns, sent_ns, first_byte_ns, done_ns, code, headers, trace)

    def add_untimed(self, done_ns: int, status: int, headers: RawHeaders | None) -> None:
        """Add a successful request of unknown response time."""
        self.add(done_ns, done_ns, 0, done_ns, status | UNTIMED, headers)

    def add_stream(self, intended_ns: int, stream: StreamReader) -> None:
        """Add what was read of a stream, a request that is added as well."""
        add_stream(self._series.streams, intended_ns, stream)

    def add_websocket(self, socket: WebSocket, closed_ns: int) -> None:
        """Add a WebSocket that was closed at this instant."""
        add_websocket(self._series.websockets, socket, closed_ns)

    def add_journey_error(self, detail: str) -> None:
        """Add an exception of the journey after a request of this endpoint."""
        self._series.errors[ErrorKind.JOURNEY_ERROR] += 1
        self._example(ErrorKind.JOURNEY_ERROR, detail, 0, "")

    def add_connection(self, connect_ns: int) -> None:
        """Add the time of opening a connection for a request of this endpoint."""
        self._connects.append(connect_ns)
        if len(self._connects) >= _FLUSH_AT:
            self.flush()

    @property
    def pending(self) -> int:
        """Number of outcomes that were added since the last flush."""
        return len(self._rows) // _COLUMNS

    def flush(self) -> None:
        """Count the outcomes that were added since the last flush."""
        series = self._series
        series.connect.add(np.array(self._connects, dtype=np.int64))
        self._connects.clear()
        if not self._rows:
            return
        table = np.array(self._rows, dtype=np.int64).reshape(-1, _COLUMNS)
        headers, self._headers = self._headers, []
        self._rows.clear()
        # First byte 0 means none, so only the others are shifted.
        table[:, [0, 1, 3]] -= self._origin_ns
        intended, _, _, done, code, _ = table.T
        series.requests += len(table)
        series.add_span(int(intended.min()), int(done.max()))
        second = np.maximum(intended, 0) // 1_000_000_000
        series.timeline.add(second, STARTED)
        series.in_flight.add(intended, done)
        timed = code < UNTIMED
        kind = (code & ~UNTIMED) >> KIND_SHIFT
        if kind.any():
            self._count_failures(second, kind, code & STATUS)
        _count_statuses(series, code & STATUS)
        served = SERVED[kind] & timed
        self._count_times(table, second, served, LIMITED[kind] & timed)
        self._look_inside(table, second, served, headers)
        self._keep_sampled(table[served])
        if self._add_samples is not None:
            self._add_samples(table[timed & ((table[:, 5] & 1) == 1)])

    def _count_failures(self, second: Ints, kind: Ints, status: Ints) -> None:
        errors, over_time = self._series.errors, self._series.error_timeline
        outcome = kind << KIND_SHIFT | status
        for each in np.unique(outcome[kind > 0]).tolist():
            name = kind_of(each >> KIND_SHIFT)
            if name is not ErrorKind.RATE_LIMITED:
                seconds = second[outcome == each]
                errors[name] += seconds.size
                over_time.add(kind_name(name, each & STATUS), seconds)
        limited = LIMITED[kind]
        self._series.timeline.add(second[limited], RATE_LIMITED)
        self._series.timeline.add(second[(kind > 0) & ~limited], ERRORS)

    def _count_times(
        self, table: Ints, second: Ints, served: NDArray[np.bool_], limited: NDArray[np.bool_]
    ) -> None:
        series = self._series
        intended, sent, first_byte, done, _, _ = table.T
        response, service = done - intended, done - sent
        if not served.all():
            series.rate_limited.add(response[limited])
            response, service, second = response[served], service[served], second[served]
        series.response.add(response)
        series.service.add(service)
        answered = served & (first_byte > 0)
        series.first_byte.add((first_byte - self._origin_ns - sent)[answered])
        series.timeline.add_served(second, response, service, bucket_of(response))

    def _look_inside(
        self,
        table: Ints,
        second: Ints,
        served: NDArray[np.bool_],
        headers: list[RawHeaders | None],
    ) -> None:
        """Read Server-Timing headers, and the headers of the slowest requests."""
        rows, response = np.flatnonzero(served), (table[:, 3] - table[:, 0])[served]
        series = self._series
        timed: list[int] = []
        values: list[bytes] = []
        for number, row in enumerate(rows.tolist()):
            if (raw := headers[row]) is not None and (value := server_timing(raw)) is not None:
                timed.append(number)
                values.append(value)
        if values:
            series.server_timings.add(columns_ms(values), response[timed], second[rows[timed]])
        slow = candidates(response, series.slowest)
        if slow.size:
            found = [self._slow(table[row].tolist(), headers[row]) for row in rows[slow].tolist()]
            series.slowest = slowest(series.slowest + found)

    def _keep_sampled(self, table: Ints) -> None:
        """Keep the requests whose traces were sampled."""
        sampled = table[(table[:, 5] & 1) == 1]
        if self._trace_ids is None or not sampled.size:
            return
        found = sampled_requests(sampled, self._trace_ids, self._origin_ns)
        self._series.sampled = first_sampled([*self._series.sampled, *found])

    def _slow(self, row: list[int], headers: RawHeaders | None) -> SlowRequest:
        intended_ns, sent_ns, _, done_ns, code, trace = row
        headers = headers or b""
        return SlowRequest(
            done_ns - intended_ns,
            done_ns - sent_ns,
            intended_ns,
            code & STATUS,
            request_id(headers),
            self._trace_id(trace),
            tuple(sorted(durations_ms(server_timing(headers) or b"").items())),
        )

    def _trace_id(self, trace: int) -> str:
        return self._trace_ids.id_of(trace) if trace and self._trace_ids is not None else ""

    def _example(
        self, kind: str, detail: str, status: int, request_id: str, trace_id: str = ""
    ) -> None:
        if sum(each.kind == kind for each in self._series.examples) < EXAMPLES_PER_KIND:
            shown = without_controls(redact(detail))
            example = Example(time.time(), kind, shown, status, request_id, trace_id)
            self._series.add_examples([example])


class Recorder:
    """Record the outcomes of all endpoints and phases, in bounded memory.

    Args:
        trace_ids: Makes trace ids of the numbers that outcomes have; None if they have none.
        keeps_samples: Keep the latest sampled requests of the main phase for exports.

    Attributes:
        names: The names recorded apart.
    """

    __slots__ = (
        "_others",
        "_record",
        "_samples",
        "_sinks",
        "_trace_ids",
        "_transaction_names",
        "_transactions",
        "names",
    )

    def __init__(self, trace_ids: TraceIds | None = None, *, keeps_samples: bool = False) -> None:
        self._trace_ids = trace_ids
        self._samples = RequestSamples() if keeps_samples else None
        self.names = EndpointNames()
        self._record = Record()
        self._sinks: list[EndpointRecorder] = []
        self._others: dict[str, EndpointRecorder] = {}  # by phase
        self._transaction_names = EndpointNames()
        self._transactions: dict[tuple[str, str], TransactionRecorder] = {}

    def endpoint_sink(self, phase: str, endpoint: str, origin_ns: int) -> EndpointRecorder:
        """Return a recorder for an endpoint in a phase.

        Args:
            phase: "setup", "warmup", "main" or "verify".
            endpoint: The name of the endpoint; beyond `MAX_ENDPOINTS` names, all share `OTHER`.
                Secrets in it are hidden, and control characters replaced.
            origin_ns: The start of the phase, second 0 of its timeline.
        """
        name = self.names.fold(without_controls(redact(endpoint)))
        if name == OTHER and phase in self._others:
            return self._others[phase]
        series = self._record.series.setdefault((phase, name), Series())
        add_samples = None
        if self._samples is not None and self._trace_ids is not None and phase_of(phase) == "main":
            add_samples = partial(self._samples.add, name, self._trace_ids)
        sink = EndpointRecorder(series, origin_ns, self._trace_ids, add_samples)
        self._sinks.append(sink)
        if name == OTHER:
            self._others[phase] = sink
        return sink

    def transaction_sink(self, phase: str, name: str) -> TransactionRecorder:
        """Return a recorder for the transactions of a name in a phase; see `endpoint_sink`."""
        key = phase, self._transaction_names.fold(without_controls(redact(name)))
        if key not in self._transactions:
            series = self._record.transactions.setdefault(key, TransactionSeries())
            self._transactions[key] = TransactionRecorder(series)
        return self._transactions[key]

    def outcomes(self) -> int:
        """Return about how many outcomes there are so far; another thread may ask."""
        counted = sum(series.requests for series in list(self._record.series.values()))
        return counted + sum(sink.pending for sink in list(self._sinks))

    def samples(self) -> tuple[RequestSample, ...]:
        """Return the latest samples; call it after `snapshot`."""
        return () if self._samples is None else self._samples.latest()

    def snapshot(self) -> Record:
        """Return the record so far. It is not a copy: merge or encode it to keep it."""
        for sink in self._sinks:
            sink.flush()
        for transactions in self._transactions.values():
            transactions.flush()
        return self._record


def _count_statuses(series: Series, statuses: Ints) -> None:
    for status, count in zip(*np.unique(statuses, return_counts=True), strict=True):
        if status:
            series.statuses[int(status)] += int(count)
