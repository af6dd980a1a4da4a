"""Where did the warm-up end? Decided afterwards, on the merged record of all processes.

The run was recorded in segments (`engine.phases`). A cut at the beginning of a segment is good when
nothing that begins there, be it one segment or several, was slower than all that came after it; the
earliest good cut is the warm-up's end. Slower means for some endpoint and percentile:

- Its confidence interval lies wholly above the one of later: non-overlapping intervals as the sign
  of a difference (Georges, Buytaert & Eeckhout, Statistically Rigorous Java Performance Evaluation,
  OOPSLA 2007, section 3).
- It is higher by a tenth at least.
- Of the later stretches of the same length one in twenty at most was as slow: what comes again and
  again, such as a garbage collection, is no warm-up though it fall on the beginning.

A cut in the second half of a run is none: what has not settled by then cannot be told from what
never does (White, An Effective Truncation Heuristic for Bias Reduction in Simulation Output,
Simulation 69, 1997; Hoad, Robinson & Davies, Automating Warm-Up Length Estimation, JORS 61, 2010).
Each endpoint is compared with itself, so that a changing mix of them is no warm-up, and a service
that gets slower never has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from straingauge.histogram import Histogram
from straingauge.recording import Record, Series, Timeline
from straingauge.recording.record import phase_of
from straingauge.recording.timeline import COARSE_EDGES_NS
from straingauge.result.format import metrics as sections
from straingauge.statistics.quantile import Quantile, quantile, samples_needed

# Many comparisons are made for one answer, and neighbouring samples resemble each other: 95 % would
# find a warm-up in nearly each run.
_CONFIDENCE: Final = 0.999
_QUANTILES: Final = (0.5, 0.75, 0.95)
_RELEVANT: Final = 1.1
_USUAL: Final = 0.05

Piece = Mapping[str, Series]
"""A segment's series by endpoint."""


@dataclass(frozen=True, slots=True)
class Warmup:
    """What was found of a warm-up.

    Attributes:
        duration_s: From the start to its end; 0 when there was none.
        requests: How many it had, all kept apart in the phase "warmup".
        reason: Why it ends there, or why there is none, in words and figures.
    """

    duration_s: float
    requests: int
    reason: str

    def as_dict(self) -> sections.Warmup:
        """Return the warm-up as the result file has it."""
        return {"duration_s": self.duration_s, "requests": self.requests, "reason": self.reason}


def split_warmup(record: Record, phase: str = "main") -> tuple[Record, Warmup | None]:
    """Find the warm-up in a phase's segments, and join these without loss.

    Returns:
        The record with all before the warm-up's end in the phase "warmup", the rest in `phase`, and
        what was found; the record as it is, and None, where the phase has no segments.
    """
    starts_s = sorted({began_s for name, _ in record.series for began_s in _began(name, phase)})
    if not starts_s:
        return record, None
    pieces = [
        {
            endpoint: series
            for (name, endpoint), series in record.series.items()
            if starts_s[n] in _began(name, phase)
        }
        for n in range(len(starts_s))
    ]
    ended_s, reason = _end(starts_s, pieces)
    settled = Record()
    for (name, endpoint), series in record.series.items():
        warm = any(began_s < ended_s for began_s in _began(name, phase))
        key = ("warmup" if warm else phase_of(name), endpoint)
        settled.series.setdefault(key, Series()).merge(series)
    return settled, Warmup(ended_s, settled.requests("warmup") if ended_s else 0, reason)


def _began(name: str, phase: str) -> list[float]:
    """When a segment of this phase began, in seconds after its start; nothing for other names."""
    belongs, _, began_s = name.partition("@")
    return [float(began_s)] if belongs == phase and began_s else []


def _end(starts_s: Sequence[float], pieces: Sequence[Piece]) -> tuple[float, str]:
    """When the warm-up ended, in seconds after the start, and why then.

    The last piece is no candidate: it has nothing after it to be compared with. Since pieces double
    in length, that also keeps the cut in the first half.
    """
    if not _comparable(pieces):
        return 0.0, "none was looked for: the run had too few requests, or was over too soon"
    reason = "there was none: the beginning was as quick as what came later"
    for first, began_s in enumerate(starts_s[:-1]):
        slower = _slower(starts_s[first:], pieces[first:])
        if slower is None:
            return began_s, reason
        reason = slower
    latest_s = starts_s[-2]
    ended = f"it had not surely ended {latest_s:g} s after the start"
    return 0.0, f"none was cut off: {ended}, for {reason}"


def _comparable(pieces: Sequence[Piece]) -> bool:
    """Whether there is anything that could be told of these."""
    needed = 2 * samples_needed(_QUANTILES[0], _CONFIDENCE)
    return len(pieces) > 1 and any(each.count >= needed for each in _joined(pieces).values())


def _slower(starts_s: Sequence[float], pieces: Sequence[Piece]) -> str | None:
    """How these pieces begin with something slower than what follows it; None if they do not."""
    for until in range(1, len(pieces)):
        head, later = _joined(pieces[:until]), _joined(pieces[until:])
        began_s, ended_s = starts_s[0], starts_s[until]
        for endpoint in sorted(head.keys() & later.keys()):
            for q in _QUANTILES:
                was = quantile(head[endpoint], q, _CONFIDENCE)
                became = quantile(later[endpoint], q, _CONFIDENCE)
                if _above(was, became) and not _comes_again(
                    was,
                    [piece[endpoint] for piece in pieces[until:] if endpoint in piece],
                    began_s,
                    ended_s,
                ):
                    return (
                        f"p{100 * q:g} of {endpoint} was {was.value_ms:.3g} ms from "
                        f"{began_s:g} to {ended_s:g} s, {became.value_ms:.3g} ms after"
                    )
    return None


def _above(was: Quantile, became: Quantile) -> bool:
    """Whether one is surely above the other, and by so much that it matters."""
    if was.low_ms is None or became.high_ms is None:
        return False
    assert was.value_ms is not None
    assert became.value_ms is not None
    return was.low_ms > became.high_ms and was.value_ms > _RELEVANT * became.value_ms


def _comes_again(was: Quantile, later: Sequence[Series], began_s: float, ended_s: float) -> bool:
    """Whether later stretches as long as this one were usually enough as slow."""
    timeline = Timeline()
    for series in later:
        timeline.merge(series.timeline)
    slots = max(1, round((ended_s - began_s) / timeline.width_s))
    heat = timeline.heat.table[int(ended_s // timeline.width_s) : timeline.used]
    count = len(heat) // slots
    stretches = heat[: count * slots].reshape(count, slots, heat.shape[1]).sum(axis=1)
    cumulated = stretches[stretches.any(axis=1)].cumsum(axis=1)
    ranks = np.ceil(was.q * cumulated[:, -1:])
    longest_ms = COARSE_EDGES_NS[(cumulated >= ranks).argmax(axis=1) + 1] / 1e6
    assert was.value_ms is not None
    as_slow = int(np.count_nonzero(longest_ms * _RELEVANT >= was.value_ms))
    return as_slow > _USUAL * len(cumulated)


def _joined(pieces: Sequence[Piece]) -> dict[str, Histogram]:
    """Response times by endpoint over several pieces."""
    joined: dict[str, Histogram] = {}
    for piece in pieces:
        for endpoint, series in piece.items():
            joined.setdefault(endpoint, Histogram()).merge(series.response)
    return joined
