"""Stalls: times in which several requests were in flight and none was answered.

A silence is not yet a stall: fifty requests that begin together and take 300 ms each cause 300 ms
without a response. The difference is which requests waited, and how the silence ended. A stall is a
maximal run of at least 4 slots (200 ms) with requests in flight and without the end of any, that is

- *overdue*: three times as long as the median response time of the endpoints of at least two
  requests that wait at its end. Endpoints with a longer median are ignored below.
- *shared*: at most a third of the waiting requests had begun before it. Independent slow requests
  get stuck one by one, while others are answered.
- *released together*: most of them end within half its length (at least 100 ms) after it.
- *not by chance*: requests that end independently, at the rate of the ten seconds around it, would
  rarely leave such a gap and then end this close together:

      p = exp(-rate * silence) * P(Poisson(rate * window) >= ends in the window)

  With n ends there are n gaps, and among many some are improbable. Those p are accepted of which
  at most a tenth should be chance (Benjamini & Hochberg, Controlling the False Discovery Rate,
  JRSS B 57, 1995).

It cannot detect stalls shorter than 200 to 250 ms or with fewer than two waiting requests, one of
several worker processes that stalls while the others answer, a service that stalls so often that
most responses are affected, and the end of a phase, when no request begins any more. It cannot
distinguish stalls of the service from those of the generator (loop lag can), or from synchronized
users (a wave, a start without a ramp) of which several meet a slow response of a fast endpoint.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log
from statistics import median
from typing import Final

import numpy as np

from straingauge.histogram import Ints
from straingauge.recording import Record
from straingauge.recording.in_flight import BEGAN, ENDED, LONG_BEGAN, LONG_ENDED
from straingauge.result.format.metrics import Stalls

_LEAST_SLOTS: Final = 4
_LEAST_WAITING: Final = 2
_OVERDUE: Final = 3.0
_MOST_BEFORE: Final = 1 / 3
_RELEASED: Final = 0.65
_AROUND_S: Final = 5.0
_FALSE_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class EndpointActivity:
    """The requests of one endpoint.

    Attributes:
        counts: Requests that began and ended in each slot, see `InFlightTimeline`.
        usual_ms: The median response time.
    """

    counts: Ints
    usual_ms: float


@dataclass(frozen=True, slots=True)
class Stall:
    """One stall, with the precision of a slot.

    Attributes:
        start_s: Time since the start of the phase.
        length_s: Time from the last response before it to the first after it.
        waiting: Requests in flight when it ended.
        chance: The probability p of such a gap between independent ends.
    """

    start_s: float
    length_s: float
    waiting: int
    chance: float


def stalls(record: Record, phase: str = "main") -> Stalls:
    """Return the stalls of a phase as the result file has them.

    `period_s` is the median time between their starts, None if there are fewer than 3;
    `peak_waiting` is the highest number of requests that one stall delayed.
    """
    series = record.endpoints(phase).values()
    width_ms = max((each.in_flight.width_ms for each in series), default=1)
    # An endpoint without a response has no median: it counts as slow.
    usual_ns = [each.response.quantile_ns(0.5) or np.inf for each in series]
    counts = [each.in_flight.at(width_ms) for each in series]
    activities = [
        EndpointActivity(counts, ns / 1e6) for counts, ns in zip(counts, usual_ns, strict=True)
    ]
    found = find_stalls(activities, width_ms)
    starts = [each.start_s for each in found]
    return {
        "count": len(found),
        "longest_ms": round(1000 * max((each.length_s for each in found), default=0.0)),
        "total_s": round(sum(each.length_s for each in found), 3),
        "period_s": round(median(np.diff(starts).tolist()), 3) if len(found) > 2 else None,
        "peak_waiting": max((each.waiting for each in found), default=0),
    }


def find_stalls(activities: Sequence[EndpointActivity], width_ms: int) -> list[Stall]:
    """Return all stalls, in order of time.

    Args:
        activities: The requests of all endpoints.
        width_ms: The width of their slots.
    """
    slots = max((len(each.counts) for each in activities), default=0)
    if not slots:
        return []
    totals = _Cumulated(activities, slots, width_ms)
    silences = list(_silences(np.diff(totals.all_done)))
    found = [stall for first, end in silences if (stall := totals.stall(first, end))]
    return _beyond_chance(found, gaps=int(np.count_nonzero(np.diff(totals.all_done))))


class _Cumulated:
    """Requests that had begun and ended before each slot, by endpoint and slot."""

    def __init__(self, activities: Sequence[EndpointActivity], slots: int, width_ms: int) -> None:
        self.begun = _cumulated(activities, BEGAN, slots)
        self.done = _cumulated(activities, ENDED, slots)
        self.long_begun = _cumulated(activities, LONG_BEGAN, slots)
        self.long_done = _cumulated(activities, LONG_ENDED, slots)
        self.in_flight = self.begun - self.done
        self.all_done = self.done.sum(axis=0)
        self.last_begun = int(np.flatnonzero(np.diff(self.begun.sum(axis=0)))[-1])
        self.usual_slots = np.array([each.usual_ms / width_ms for each in activities])
        self.slots, self.width_ms = slots, width_ms

    def stall(self, first: int, end: int) -> Stall | None:
        """Return the stall in these slots without an end, if there is one."""
        busy = np.flatnonzero(self.in_flight[:, first + 1 : end + 1].sum(axis=0))
        start = first + int(busy[0]) if busy.size else end
        window = max(2, (end - start) // 2)
        until = min(end + window, self.slots)
        if end - start < _LEAST_SLOTS or end > self.last_begun:
            return None
        overdue = np.flatnonzero(self.usual_slots * _OVERDUE <= end - start)
        before = self._began_before(start, overdue)
        shared = int(self.in_flight[overdue, end].sum()) - before
        released = int((self.done[overdue, until] - self.done[overdue, end]).sum())
        if shared < _LEAST_WAITING or before > _MOST_BEFORE * (shared + before):
            return None
        if released < _RELEASED * shared:
            return None
        length_s = (end - start + 1) * self.width_ms / 1000
        waiting = int(self.in_flight[:, end].sum())
        chance = self._chance(start, end, until)
        return Stall((start - 0.5) * self.width_ms / 1000, length_s, waiting, chance)

    def _began_before(self, start: int, overdue: Ints) -> int:
        """Return how many requests of these endpoints were stuck before the silence began."""
        # A request with the median time that ended when the silence began had begun that earlier.
        usual = np.ceil(self.usual_slots[overdue]).astype(np.int64)
        before = self.long_begun[overdue, np.maximum(start - usual, 0)]
        return int(np.maximum(before - self.long_done[overdue, start], 0).sum())

    def _chance(self, start: int, end: int, until: int) -> float:
        around = round(_AROUND_S * 1000 / self.width_ms)
        low, high = max(0, start - around), min(end + around, self.slots)
        rate = (self.all_done[high] - self.all_done[low]) / (high - low)
        together = int(self.all_done[until] - self.all_done[end])
        return exp(-rate * (end - start)) * _poisson_tail(together, rate * (until - end))


def _cumulated(activities: Sequence[EndpointActivity], column: int, slots: int) -> Ints:
    rows = [np.pad(each.counts[:, column], (1, slots - len(each.counts))) for each in activities]
    return np.cumsum(rows, axis=1)


def _silences(ends: Ints) -> Iterable[tuple[int, int]]:
    """Yield the first and last (exclusive) slot of each long silence before an end."""
    filled = np.concatenate(([-1], np.flatnonzero(ends)))
    for gap in np.flatnonzero(np.diff(filled) > _LEAST_SLOTS):
        yield int(filled[gap]) + 1, int(filled[gap + 1])


def _beyond_chance(found: list[Stall], gaps: int) -> list[Stall]:
    chances = np.sort([stall.chance for stall in found])
    holds = chances <= _FALSE_SHARE * np.arange(1, chances.size + 1) / max(gaps, 1)
    most = chances[holds].max(initial=-1.0)
    return [stall for stall in found if stall.chance <= most]


def _poisson_tail(least: int, mean: float) -> float:
    """Return P(N >= least) of a Poisson distribution."""
    below = sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(least))
    return max(0.0, 1 - below)
