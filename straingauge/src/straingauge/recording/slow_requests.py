"""The slowest requests, with the ids that find them in the service's log."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from straingauge.histogram import Ints

MAX_SLOWEST: Final = 20


@dataclass(frozen=True, slots=True, order=True)
class SlowRequest:
    """One slow request.

    Attributes:
        response_ns: Done - intended.
        service_ns: Done - sent.
        intended_ns: Intended start, relative to the start of the phase.
        status: Status of the response; 0 without one.
        request_id: X-Request-ID of the response; empty without one.
        trace_id: Id of its trace; empty without one.
        parts_ms: Its Server-Timing parts, by name.
    """

    response_ns: int
    service_ns: int
    intended_ns: int
    status: int
    request_id: str
    trace_id: str
    parts_ms: tuple[tuple[str, float], ...]


def slowest(requests: list[SlowRequest]) -> list[SlowRequest]:
    """Return the `MAX_SLOWEST` slowest of these, slowest first, independent of their order."""
    return sorted(requests, reverse=True)[:MAX_SLOWEST]


def candidates(response_ns: Ints, kept: list[SlowRequest]) -> Ints:
    """Return which of these may be among the slowest, given those so far; ties included."""
    least_ns = kept[-1].response_ns if len(kept) == MAX_SLOWEST else 0
    if response_ns.size > MAX_SLOWEST:
        least_ns = max(least_ns, int(np.partition(response_ns, -MAX_SLOWEST)[-MAX_SLOWEST]))
    return np.flatnonzero(response_ns >= least_ns)
