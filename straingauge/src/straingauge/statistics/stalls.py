"""Stalls: times in which several requests were under way and not one was answered.

A silence is no stall by itself: after fifty requests that begin together and take 300 ms each,
nobody is answered for 300 ms. What tells them apart is who waited and how it ended. A stall is a
maximal run of at least 4 slots (200 ms) with requests under way and without an end of any, that is

- *overdue*: three times as long as is usual (the median response time) for the endpoints of at
  least two of those waiting at its end. Endpoints that usually take longer do not count below.
- *shared*: at most a third of the waiting had begun before it. Independent slow requests get
  stuck one by one, while others are answered.
- *released together*: most of them end within half its length (100 ms at least) after it.
- *no chance*: requests that end independently, at the rate of the ten seconds around it, would
  hardly leave such a gap and then end so close together:

      p = exp(-rate * silence) * P(Poisson(rate * window) >= ends in the window)

  With n ends there are n gaps, and among many the improbable happens. Those p are taken of which
  a tenth at most should be chance (Benjamini & Hochberg, Controlling the False Discovery Rate,
  JRSS B 57, 1995).

What it cannot see: stalls shorter than 200 to 250 ms, or so rare in requests that fewer than two
wait; one of several worker processes stalling while the others answer; a service that stalls so
often that most responses are hit; the end of a phase, when nothing begins any more. What it cannot
tell: whether the service stalled or the generator did (its loop lag can), and users in unison
(a wave, a start without a ramp) of whom several meet a slow answer of a usually fast endpoint.
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
    """One endpoint's requests.

    Attributes:
        counts: what began and ended in each slot, see `record.pulse.Pulse`.
        usual_ms: its median response time.
    """

    counts: Ints
    usual_ms: float


@dataclass(frozen=True, slots=True)
class Stall:
    """One stall, its times known to about a slot.

    Attributes:
        start_s: after the phase's start.
        length_s: from the last answer before it to the first after it.
        waiting: how many requests were under way when it ended.
        chance: the probability p that a gap between independent ends looks like this.
    """

    start_s: float
    length_s: float
    waiting: int
    chance: float


def stalls(record: Record, phase: str = "main") -> Stalls:
    """A phase's stalls as the result file has them.

    `every_s` is the median distance between the beginnings, None of fewer than 3; `waiting` the
    most requests that one held up.
    """
    series = record.endpoints(phase).values()
    width_ms = max((each.pulse.width_ms for each in series), default=1)
    # An endpoint that was never served has no usual time: it counts as a slow one.
    usual_ns = [each.response.quantile_ns(0.5) or np.inf for each in series]
    pulses = [each.pulse.at(width_ms) for each in series]
    beats = [
        EndpointActivity(counts, ns / 1e6) for counts, ns in zip(pulses, usual_ns, strict=True)
    ]
    found = find_stalls(beats, width_ms)
    starts = [each.start_s for each in found]
    return {
        "count": len(found),
        "longest_ms": round(1000 * max((each.length_s for each in found), default=0.0)),
        "total_s": round(sum(each.length_s for each in found), 3),
        "period_s": round(median(np.diff(starts).tolist()), 3) if len(found) > 2 else None,
        "peak_waiting": max((each.waiting for each in found), default=0),
    }


def find_stalls(beats: Sequence[EndpointActivity], width_ms: int) -> list[Stall]:
    """All stalls, in the order of time.

    Args:
        beats: of all endpoints.
        width_ms: of their slots.
    """
    slots = max((len(beat.counts) for beat in beats), default=0)
    if not slots:
        return []
    course = _Course(beats, slots, width_ms)
    silences = list(_silences(np.diff(course.all_done)))
    found = [stall for first, end in silences if (stall := course.stall(first, end))]
    return _beyond_chance(found, gaps=int(np.count_nonzero(np.diff(course.all_done))))


class _Course:
    """What had begun and was done before each slot, by endpoint and slot."""

    def __init__(self, beats: Sequence[EndpointActivity], slots: int, width_ms: int) -> None:
        self.begun = _cumulated(beats, BEGAN, slots)
        self.done = _cumulated(beats, ENDED, slots)
        self.long_begun = _cumulated(beats, LONG_BEGAN, slots)
        self.long_done = _cumulated(beats, LONG_ENDED, slots)
        self.under_way = self.begun - self.done
        self.all_done = self.done.sum(axis=0)
        self.last_begun = int(np.flatnonzero(np.diff(self.begun.sum(axis=0)))[-1])
        self.usual_slots = np.array([beat.usual_ms / width_ms for beat in beats])
        self.slots, self.width_ms = slots, width_ms

    def stall(self, first: int, end: int) -> Stall | None:
        """The stall in these slots without an end, if there is one."""
        busy = np.flatnonzero(self.under_way[:, first + 1 : end + 1].sum(axis=0))
        start = first + int(busy[0]) if busy.size else end
        window = max(2, (end - start) // 2)
        until = min(end + window, self.slots)
        if end - start < _LEAST_SLOTS or end > self.last_begun:
            return None
        overdue = np.flatnonzero(self.usual_slots * _OVERDUE <= end - start)
        before = self._began_before(start, overdue)
        shared = int(self.under_way[overdue, end].sum()) - before
        released = int((self.done[overdue, until] - self.done[overdue, end]).sum())
        if shared < _LEAST_WAITING or before > _MOST_BEFORE * (shared + before):
            return None
        if released < _RELEASED * shared:
            return None
        length_s = (end - start + 1) * self.width_ms / 1000
        waiting = int(self.under_way[:, end].sum())
        chance = self._chance(start, end, until)
        return Stall((start - 0.5) * self.width_ms / 1000, length_s, waiting, chance)

    def _began_before(self, start: int, overdue: Ints) -> int:
        """How many of these endpoints' requests were stuck before the silence began."""
        # Whoever was served as usual when the silence began had begun that much earlier.
        usual = np.ceil(self.usual_slots[overdue]).astype(np.int64)
        before = self.long_begun[overdue, np.maximum(start - usual, 0)]
        return int(np.maximum(before - self.long_done[overdue, start], 0).sum())

    def _chance(self, start: int, end: int, until: int) -> float:
        around = round(_AROUND_S * 1000 / self.width_ms)
        low, high = max(0, start - around), min(end + around, self.slots)
        rate = (self.all_done[high] - self.all_done[low]) / (high - low)
        together = int(self.all_done[until] - self.all_done[end])
        return exp(-rate * (end - start)) * _poisson_tail(together, rate * (until - end))


def _cumulated(beats: Sequence[EndpointActivity], column: int, slots: int) -> Ints:
    rows = [np.pad(beat.counts[:, column], (1, slots - len(beat.counts))) for beat in beats]
    return np.cumsum(rows, axis=1)


def _silences(ends: Ints) -> Iterable[tuple[int, int]]:
    """First and last (exclusive) slot of each long silence that an end ended."""
    filled = np.concatenate(([-1], np.flatnonzero(ends)))
    for gap in np.flatnonzero(np.diff(filled) > _LEAST_SLOTS):
        yield int(filled[gap]) + 1, int(filled[gap + 1])


def _beyond_chance(found: list[Stall], gaps: int) -> list[Stall]:
    chances = np.sort([stall.chance for stall in found])
    holds = chances <= _FALSE_SHARE * np.arange(1, chances.size + 1) / max(gaps, 1)
    most = chances[holds].max(initial=-1.0)
    return [stall for stall in found if stall.chance <= most]


def _poisson_tail(least: int, mean: float) -> float:
    """P(N >= least) of a Poisson distribution."""
    below = sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(least))
    return max(0.0, 1 - below)
