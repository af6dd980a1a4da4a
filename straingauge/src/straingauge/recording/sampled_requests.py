"""Requests whose traces were sampled, to be matched with the spans of the service."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from straingauge.histogram import Ints
from straingauge.http.traceparent import TraceIds
from straingauge.recording.error_codes import STATUS

MAX_SAMPLED: Final = 200  # of each endpoint


@dataclass(frozen=True, slots=True, order=True)
class SampledRequest:
    """One request whose trace was sampled.

    Attributes:
        trace_id: Id of its trace, in hexadecimal.
        span_id: Id of the span that sent it, which the service's first span has as its parent.
        sent_unix_ns: When it was sent, in nanoseconds of Unix time.
        response_ns: Done - intended.
        service_ns: Done - sent.
        status: Status of the response; 0 without one.
    """

    trace_id: str
    span_id: str
    sent_unix_ns: int
    response_ns: int
    service_ns: int
    status: int


def sampled_requests(table: Ints, trace_ids: TraceIds, origin_ns: int) -> Iterator[SampledRequest]:
    """Yield the requests in rows of an `EndpointRecorder`.

    Args:
        table: Instants in nanoseconds after the start of the phase, code and number of the trace.
        trace_ids: Makes trace ids of the numbers.
        origin_ns: Start of the phase (`time.monotonic_ns`).
    """
    unix_ns = time.time_ns() - time.monotonic_ns() + origin_ns
    for intended_ns, sent_ns, _, done_ns, code, trace in table.tolist():
        yield SampledRequest(
            trace_ids.id_of(trace),
            trace_ids.span_id,
            sent_ns + unix_ns,
            done_ns - intended_ns,
            done_ns - sent_ns,
            code & STATUS,
        )


def first_sampled(requests: list[SampledRequest]) -> list[SampledRequest]:
    """Return the first `MAX_SAMPLED` of these by their ids, independent of their order."""
    return sorted(requests)[:MAX_SAMPLED]
