"""Detect the end of the warm-up, on the merged record of all processes.

The run was recorded in segments (`engine.phases`). A cut at the start of a segment is good if no
sequence of segments that begins there is slower than everything after it; the earliest good cut is
the end of the warm-up. Slower means for some endpoint and percentile:

- Its confidence interval lies entirely above the later one: non-overlapping intervals indicate a
  difference (Georges, Buytaert & Eeckhout, Statistically Rigorous Java Performance Evaluation,
  OOPSLA 2007, section 3).
- It is higher by at least a tenth.
- At most one in twenty later stretches of the same length was as slow: something that recurs, such
  as garbage collection, is no warm-up even if it happens at the start.

A cut in the second half of a run is not accepted: it cannot be distinguished from a run that never
becomes stable (White, An Effective Truncation Heuristic for Bias Reduction in Simulation Output,
Simulation 69, 1997; Hoad, Robinson & Davies, Automating Warm-Up Length Estimation, JORS 61, 2010).
Each endpoint is compared with itself, so that a changing mix of endpoints is no warm-up. A service
that only gets slower has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from straingauge.histogram import Histogram
from straingauge.number_text import plain
from straingauge.recording import Record, Series, Timeline, TransactionSeries
from straingauge.recording.record import phase_of
from straingauge.recording.timeline import COARSE_EDGES_NS
from straingauge.result.format import metrics as sections
from straingauge.statistics.quantile import Quantile, quantile, samples_needed

# One decision takes many comparisons of correlated samples: 95 % would find a warm-up in nearly
# every run.
_CONFIDENCE: Final = 0.999
_QUANTILES: Final = (0.5, 0.75, 0.95)
_RELEVANT: Final = 1.1
_USUAL: Final = 0.05

Piece = Mapping[str, Series]
"""The series of a segment, by endpoint."""


@dataclass(frozen=True, slots=True)
class Warmup:
    """A detected warm-up, or the reason why there is none.

    Attributes:
        duration_s: Time from the start to its end; 0 if there is none.
        requests: The number of its requests, which are moved to the phase "warmup".
        reason: Why it ends there, or why there is none, with values.
    """

    duration_s: float
    requests: int
    reason: str

    def as_dict(self) -> sections.Warmup:
        """Return the warm-up as the result file has it."""
        return {"duration_s": self.duration_s, "requests": self.requests, "reason": self.reason}


def split_warmup(record: Record, phase: str = "main") -> tuple[Record, Warmup | None]:
    """Find the warm-up in the segments of a phase, and join the segments without loss.

    Returns:
        The record, with everything before the end of the warm-up in the phase "warmup", and the
        warm-up. If the phase has no segments: the unchanged record, and None.
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
    result = Record()
    for (name, endpoint), series in record.series.items():
        warm = any(began_s < ended_s for began_s in _began(name, phase))
        key = ("warmup" if warm else phase_of(name), endpoint)
        result.series.setdefault(key, Series()).merge(series)
    for (name, transaction), timed in record.transactions.items():
        warm = any(began_s < ended_s for began_s in _began(name, phase))
        key = ("warmup" if warm else phase_of(name), transaction)
        result.transactions.setdefault(key, TransactionSeries()).merge(timed)
    return result, Warmup(ended_s, result.requests("warmup") if ended_s else 0, reason)


def _began(name: str, phase: str) -> list[float]:
    """Return the start of a segment of this phase in seconds; empty for other names."""
    belongs, _, began_s = name.partition("@")
    return [float(began_s)] if belongs == phase and began_s else []


def _end(starts_s: Sequence[float], pieces: Sequence[Piece]) -> tuple[float, str]:
    """Return the end of the warm-up in seconds after the start, and the reason.

    The last piece is no candidate, because nothing follows it. Since pieces double in length, the
    cut is always in the first half.
    """
    if not _comparable(pieces):
        return 0.0, "not checked: the run has too few requests, or is too short"
    reason = "none: the start was as fast as the following requests"
    for first, began_s in enumerate(starts_s[:-1]):
        slower = _slower(starts_s[first:], pieces[first:])
        if slower is None:
            return began_s, reason
        reason = slower
    latest_s = starts_s[-2]
    ended = f"it had not certainly ended {latest_s:g} s after the start"
    return 0.0, f"not removed: {ended}, because {reason}"


def _comparable(pieces: Sequence[Piece]) -> bool:
    """There are enough requests to compare these pieces."""
    needed = 2 * samples_needed(_QUANTILES[0], _CONFIDENCE)
    return len(pieces) > 1 and any(each.count >= needed for each in _joined(pieces).values())


def _slower(starts_s: Sequence[float], pieces: Sequence[Piece]) -> str | None:
    """Describe the slower start of these pieces; None if the start is not slower."""
    for until in range(1, len(pieces)):
        head, later = _joined(pieces[:until]), _joined(pieces[until:])
        began_s, ended_s = starts_s[0], starts_s[until]
        for endpoint in sorted(head.keys() & later.keys()):
            for q in _QUANTILES:
                was = quantile(head[endpoint], q, _CONFIDENCE)
                became = quantile(later[endpoint], q, _CONFIDENCE)
                if _above(was, became) and not _recurs(
                    was,
                    [piece[endpoint] for piece in pieces[until:] if endpoint in piece],
                    began_s,
                    ended_s,
                ):
                    return (
                        f"p{100 * q:g} of {endpoint} was {plain(was.value_ms or 0, 3)} ms from "
                        f"{began_s:g} to {ended_s:g} s, {plain(became.value_ms or 0, 3)} ms after"
                    )
    return None


def _above(was: Quantile, became: Quantile) -> bool:
    """One is significantly above the other, by a relevant amount."""
    if was.low_ms is None or became.high_ms is None:
        return False
    assert was.value_ms is not None
    assert became.value_ms is not None
    return was.low_ms > became.high_ms and was.value_ms > _RELEVANT * became.value_ms


def _recurs(was: Quantile, later: Sequence[Series], began_s: float, ended_s: float) -> bool:
    """Later stretches of the same length were often as slow."""
    timeline = Timeline()
    for series in later:
        timeline.merge(series.timeline)
    slots = max(1, round((ended_s - began_s) / timeline.width_s))
    table = timeline.histograms.table[int(ended_s // timeline.width_s) : timeline.used]
    count = len(table) // slots
    stretches = table[: count * slots].reshape(count, slots, table.shape[1]).sum(axis=1)
    cumulated = stretches[stretches.any(axis=1)].cumsum(axis=1)
    ranks = np.ceil(was.q * cumulated[:, -1:])
    longest_ms = COARSE_EDGES_NS[(cumulated >= ranks).argmax(axis=1) + 1] / 1e6
    assert was.value_ms is not None
    as_slow = int(np.count_nonzero(longest_ms * _RELEVANT >= was.value_ms))
    return as_slow > _USUAL * len(cumulated)


def _joined(pieces: Sequence[Piece]) -> dict[str, Histogram]:
    """Merge the response times of several pieces, by endpoint."""
    joined: dict[str, Histogram] = {}
    for piece in pieces:
        for endpoint, series in piece.items():
            joined.setdefault(endpoint, Histogram()).merge(series.response)
    return joined
