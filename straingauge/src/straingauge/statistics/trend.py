"""A robust trend (Theil-Sen), for response times and memory.

The slope is the median of the slopes between all pairs of points (Theil 1950); up to 29 % outliers
do not affect it. Its interval comes from Kendall's tau (P. K. Sen, Estimates of the
Regression Coefficient Based on Kendall's Tau, JASA 63, 1968): of the N pair slopes in order, those
of rank (N - C) / 2 and (N + C) / 2 + 1, with C = z * sqrt(Var S) and, ties of y in groups of t,

    Var S = (n (n - 1) (2n + 5) - sum of t (t - 1) (2t + 5)) / 18.

It assumes independent points; for correlated ones, such as memory, the true interval is wider.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from straingauge.recording import Record, Series, Timeline
from straingauge.recording.timeline import SERVED

# 80,000 pairs; more points are joined first.
_MAX_POINTS: Final = 400
_MIN_POINTS: Final = 5


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope in units of y by unit of x, with its interval.

    Attributes:
        slope: The median slope.
        low, high: Its interval; a trend is significant if 0 is outside.
        points: The number of points.
    """

    slope: float
    low: float
    high: float
    points: int

    @property
    def rises(self) -> bool:
        """The whole interval is above 0."""
        return self.low > 0


def theil_sen(x: Sequence[float], y: Sequence[float], confidence: float = 0.95) -> Trend | None:
    """Compute the trend of y over x; None for fewer than 5 points.

    Raises:
        ValueError: x and y have different lengths.
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.shape != ys.shape:
        raise ValueError(f"{xs.size} x and {ys.size} y")
    if xs.size > _MAX_POINTS:
        xs, ys = _joined(xs), _joined(ys)
    n = xs.size
    i, j = np.triu_indices(n, k=1)
    run = xs[j] - xs[i]
    apart = run != 0
    slopes = np.sort((ys[j] - ys[i])[apart] / run[apart])
    if n < _MIN_POINTS or not slopes.size:
        return None
    _, ties = np.unique(ys, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - np.sum(ties * (ties - 1) * (2 * ties + 5))) / 18
    c = NormalDist().inv_cdf((1 + confidence) / 2) * sqrt(variance)
    low = max(floor((slopes.size - c) / 2) - 1, 0)
    high = min(slopes.size - 1 - low, slopes.size - 1)
    return Trend(float(np.median(slopes)), float(slopes[low]), float(slopes[high]), n)


def degradation(record: Record, phase: str = "main") -> Trend | None:
    """Compute the trend of the response times of a phase, in percent per minute.

    The level of a slot is the mean of its endpoints' medians, each relative to the endpoint's
    median over the phase and weighted by requests, so that a changing mix of endpoints is no trend.
    None if the phase is too short. The interval is of 99 %, because it is computed for every run:
    with 95 %, one in 120 runs of six seconds rises by chance; with 99 %, one in 720.
    """
    series = list(record.endpoints(phase).values())
    width_s = max((each.timeline.width_s for each in series), default=1)
    levels: dict[int, tuple[float, float]] = {}
    for each in series:
        for slot, level, weight in _levels(each, width_s):
            have_level, have_weight = levels.get(slot, (0.0, 0.0))
            levels[slot] = (have_level + level * weight, have_weight + weight)
    slots = sorted(levels)
    minutes = [slot * width_s / 60 for slot in slots]
    percents = [100 * levels[slot][0] / levels[slot][1] for slot in slots]
    return theil_sen(minutes, percents, confidence=0.99)


def _levels(series: Series, width_s: int) -> Iterable[tuple[int, float, float]]:
    """Yield each slot with its median, relative to that of the series, and its requests."""
    usual_ns = series.response.quantile_ns(0.5)
    timeline = Timeline()
    timeline.merge(series.timeline)
    while timeline.width_s < width_s:
        timeline.widen()
    for slot in range(timeline.used):
        median_ns = timeline.median_ns(slot)
        if median_ns is not None and usual_ns:
            yield slot, median_ns / usual_ns, float(timeline.sums[slot, SERVED])


def _joined(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray:
    """Replace neighbouring values by their median, so that `_MAX_POINTS` remain."""
    return np.array([np.median(part) for part in np.array_split(values, _MAX_POINTS)])
