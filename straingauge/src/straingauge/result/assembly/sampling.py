"""Summaries of samples: extremes of gauges, increases of counters, trends."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from straingauge.observe import Sample
from straingauge.result.format.resources import Extremes, Shares, Trend
from straingauge.statistics import theil_sen

MB = 1e6
MIN_FOR_TREND = 8
MAX_TROUGHS = 20

Points = Sequence[tuple[float, float]]


def values(samples: Iterable[Sample], key: str) -> list[float]:
    """Return the values of a key, from the samples that have it."""
    return [sample[key] for sample in samples if key in sample]


def points(samples: Iterable[Sample], key: str) -> list[tuple[float, float]]:
    """Return the values of a key over time in s."""
    return [(sample["t_ns"] / 1e9, sample[key]) for sample in samples if key in sample]


def highest(samples: Sequence[Sample], key: str, unit: float = 1.0) -> float | None:
    """Return the highest value; None if there is none."""
    seen = values(samples, key)
    return round(max(seen) / unit, 3) if seen else None


def whole(count: float | None) -> int | None:
    """Round a count; None stays None."""
    return None if count is None else round(count)


def extremes(samples: Sequence[Sample], key: str) -> Extremes | None:
    """Return the first, the highest and the last value; None if there is none."""
    seen = values(samples, key)
    return {"initial": seen[0], "peak": max(seen), "final": seen[-1]} if seen else None


def increase(samples: Sequence[Sample], key: str) -> float | None:
    """Return the increase of a counter; a restarted process counts from 0 again."""
    seen = values(samples, key)
    if not seen:
        return None
    steps = pairwise(seen)
    return round(sum(now - before if now >= before else now for before, now in steps), 6)


def shares(seen: Points, *, counter: bool = True) -> Shares | None:
    """Compute CPU usage in percent of one core: on average, and the highest between two samples.

    Args:
        seen: Cumulative CPU time over time.
        counter: A decrease is a restarted process; else it is an error that averages out.
    """
    steps = [
        (max(used_s - used0_s, 0.0) if counter else used_s - used0_s, t_s - t0_s)
        for (t0_s, used0_s), (t_s, used_s) in pairwise(seen)
        if t_s > t0_s
    ]
    if not steps:
        return None
    whole = sum(used_s for used_s, _ in steps) / sum(passed_s for _, passed_s in steps)
    peak = max(used_s / passed_s for used_s, passed_s in steps)
    return {"avg": round(100 * max(whole, 0.0), 1), "peak": round(100 * max(peak, 0.0), 1)}


def troughs(seen: Points) -> Points:
    """Return the lowest point of each of about 20 equal parts: the level without requests."""
    width = max(1, len(seen) // MAX_TROUGHS)
    parts = (seen[first : first + width] for first in range(0, len(seen), width))
    return [min(part, key=lambda point: point[1]) for part in parts]


def trend(seen: Points, per_s: float) -> Trend | None:
    """Compute the change of a value in `per_s` seconds; None for too few points."""
    if len(seen) < MIN_FOR_TREND or not per_s:
        return None
    found = theil_sen([t_s for t_s, _ in seen], [value for _, value in seen])
    if found is None:
        return None
    return {
        "slope": round(found.slope * per_s, 4),
        "low": round(found.low * per_s, 4),
        "high": round(found.high * per_s, 4),
    }
