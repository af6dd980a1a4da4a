"""Single requests for exports: about one in 100 ms of each process, however many it sends."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from straingauge.histogram import Ints
from straingauge.http.traceparent import TraceIds
from straingauge.recording.error_codes import KIND_SHIFT, STATUS, kind_of

# Each report has the latest, and an export takes those that it has not seen: as many as in 20 s,
# and reports come more than once in 10 s.
MAX_KEPT: Final = 200


@dataclass(frozen=True, slots=True)
class RequestSample:
    """One request of the main phase; instants are in nanoseconds after the start of the load.

    Attributes:
        endpoint: Its endpoint.
        trace_id: Id of its trace, in hexadecimal.
        span_id: Id of the span that sent it.
        intended_ns: When it was due.
        sent_ns: When it was sent.
        done_ns: When it ended.
        status: Status of the response; 0 without one.
        error: Kind of its failure; empty if it succeeded.
    """

    endpoint: str
    trace_id: str
    span_id: str
    intended_ns: int
    sent_ns: int
    done_ns: int
    status: int
    error: str


class RequestSamples:
    """The latest samples of one process, in the order in which they were recorded."""

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: deque[RequestSample] = deque(maxlen=MAX_KEPT)

    def add(self, endpoint: str, trace_ids: TraceIds, table: Ints) -> None:
        """Add rows of an `EndpointRecorder`."""
        for intended_ns, sent_ns, _, done_ns, code, trace in table[-MAX_KEPT:].tolist():
            kind = code >> KIND_SHIFT
            self._latest.append(
                RequestSample(
                    endpoint,
                    trace_ids.id_of(trace),
                    trace_ids.span_id,
                    intended_ns,
                    sent_ns,
                    done_ns,
                    code & STATUS,
                    kind_of(kind) if kind else "",
                )
            )

    def latest(self) -> tuple[RequestSample, ...]:
        """Return the samples so far; no more than `MAX_KEPT`."""
        return tuple(self._latest)
