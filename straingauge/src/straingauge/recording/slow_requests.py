"""The slowest requests, each with what finds it in the service's own log."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from straingauge.histogram import Ints

MOST_KEPT: Final = 20


@dataclass(frozen=True, slots=True, order=True)
class SlowRequest:
    """One slow request.

    Attributes:
        response_ns: done - intended.
        service_ns: done - sent.
        intended_ns: when it should have started, after the phase's start.
        status: of its response, 0 without one.
        request_id: the response's X-Request-ID, "" without one.
        parts_ms: what its Server-Timing named, by name.
    """

    response_ns: int
    service_ns: int
    intended_ns: int
    status: int
    request_id: str
    parts_ms: tuple[tuple[str, float], ...]


def slowest(requests: list[SlowRequest]) -> list[SlowRequest]:
    """The `MOST_KEPT` slowest of these, slowest first; the same in whatever order they come."""
    return sorted(requests, reverse=True)[:MOST_KEPT]


def worth_keeping(response_ns: Ints, kept: list[SlowRequest]) -> Ints:
    """Which of these could be among the slowest, beside those kept so far; ties included."""
    least_ns = kept[-1].response_ns if len(kept) == MOST_KEPT else 0
    if response_ns.size > MOST_KEPT:
        least_ns = max(least_ns, int(np.partition(response_ns, -MOST_KEPT)[-MOST_KEPT]))
    return np.flatnonzero(response_ns >= least_ns)
