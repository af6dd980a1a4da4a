"""Throughput: completed requests per second, without the wait for the last of them."""

from dataclasses import dataclass
from typing import Final

from straingauge.recording import Series
from straingauge.recording.in_flight import ENDED

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The schedule of a load that ended as planned.

    Attributes:
        duration_s: Its length, from the start of the phase.
        is_open: Whether requests are due at given times, whatever the service does.
    """

    duration_s: float
    is_open: bool


@dataclass(frozen=True, slots=True)
class Throughput:
    """The throughput of a phase, or of an endpoint in it.

    Attributes:
        per_s: Completed requests per second.
        duration_s: The time in which they were completed.
        stragglers: Requests that ended after the schedule, and do not count in it.
        longest_s: How long after the schedule's end the last of them ended.
    """

    per_s: float = 0.0
    duration_s: float = 0.0
    stragglers: int = 0
    longest_s: float = 0.0


def throughput(series: Series, total: Series, plan: Plan | None = None) -> Throughput:
    """Compute the throughput of an endpoint from the series of the whole phase.

    It is the number of requests that ended within the schedule, divided by the schedule's duration:
    a single late response does not lower it, and requests that a service works on after the load do
    not raise it. The fastest response time is added to the end, since no request that was due in
    the last moment can have ended earlier. Without a plan, and where constant users were done
    before its end, the duration is from the first intended start to the last end.

    Args:
        series: The endpoint, or `total` itself.
        total: The whole phase.
        plan: The schedule; None if there is none, or if it did not run to its end.
    """
    if total.first_ns is None or total.last_ns is None:
        return Throughput()
    first_ns, last_ns = total.first_ns, total.last_ns
    if plan is not None and (planned_ns := round(plan.duration_s * _NS)) > first_ns:
        end_ns = planned_ns + round(total.response.min_ns or 0)
        late = _ended_after(series, end_ns) if last_ns > end_ns else 0
        if plan.is_open or last_ns > end_ns:
            longest_ns = max((series.last_ns or 0) - planned_ns, 0) if late else 0
            duration_s = (planned_ns - first_ns) / _NS
            per_s = (series.requests - late) / duration_s
            return Throughput(round(per_s, 3), duration_s, late, longest_ns / _NS)
    duration_s = (last_ns - first_ns) / _NS
    per_s = series.requests / duration_s if duration_s else 0.0
    return Throughput(round(per_s, 3), duration_s)


def _ended_after(series: Series, end_ns: int) -> int:
    """Return how many requests ended after the slot of an instant."""
    width_ms = series.in_flight.width_ms
    ended = series.in_flight.at(width_ms)[:, ENDED]
    return int(ended[end_ns // (width_ms * 1_000_000) + 1 :].sum())
