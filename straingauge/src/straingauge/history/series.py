"""Results of the same load, in the order of time, metric by metric."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from straingauge.compare.comparable import differences, invalid
from straingauge.history.changes import change_points
from straingauge.verdict.metrics import METRICS, value_of

Result = Mapping[str, Any]

SHOWN = tuple(name for name, metric in METRICS.items() if metric.in_history)
LEAST_PERCENT = 3.0  # a smaller shift, however sure, is nobody's business


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement.

    Attributes:
        at: When its run started.
        value: In the metric's unit.
        commit: Of the work tree it ran in, shortened; empty if it is not known.
        file: Its result.
    """

    at: datetime
    value: float
    commit: str
    file: Path


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of level.

    Attributes:
        index: Of the first point of the new level.
        before, after: Medians of the two levels.
        direction: By what the metric wants.
    """

    index: int
    before: float
    after: float
    direction: Literal["better", "worse"]

    @property
    def percent(self) -> float:
        """Of the level before; infinite where that was 0."""
        if not self.before:
            return math.copysign(math.inf, self.after - self.before)
        return 100 * (self.after - self.before) / abs(self.before)


@dataclass(frozen=True, slots=True)
class Series:
    """One metric over time.

    Attributes:
        metric: By its name in thresholds.toml.
        points: In the order of time.
        shifts: Where its level changed.
    """

    metric: str
    points: Sequence[Point]
    shifts: Sequence[Shift]

    @property
    def levels(self) -> list[tuple[int, int, float]]:
        """First index, end and median of each level."""
        ends = [0, *(shift.index for shift in self.shifts), len(self.points)]
        return [
            (first, end, statistics.median(point.value for point in self.points[first:end]))
            for first, end in pairwise(ends)
        ]


@dataclass(frozen=True, slots=True)
class Trend:
    """One load test over time, as long as its settings and its machine stay the same.

    Attributes:
        name: The run's.
        endpoint: Whose figures these are; empty: the whole run's.
        since: Why it does not go on with an earlier one; empty for the first.
        series: One for each metric that was measured.
    """

    name: str
    endpoint: str
    since: str
    series: Sequence[Series]


def trends(
    results: Iterable[tuple[Result, Path]],
    *,
    metrics: Sequence[str] = SHOWN,
    endpoint: str = "",
) -> list[Trend]:
    """What became of each load test.

    Invalid runs take no part. A run whose settings or machine differ from its predecessor's begins
    a trend of its own: figures that cannot be compared make no change. A copy of a result is none.

    Args:
        results: With their files, in any order.
        metrics: Which, by their names in thresholds.toml.
        endpoint: Whose figures; empty: the whole run's.
    """
    groups: list[tuple[str, list[tuple[Result, Path]]]] = []
    known: set[object] = set()
    for result, path in sorted(results, key=lambda each: _at(each[0])):
        times = result["metrics"]["latency_ms"]
        one = (result["name"], result["started_at"], *map(times.get, ("avg", "p50", "p95")))
        if invalid(result) or one in known:
            continue
        known.add(one)
        same = [group for _, group in groups if group[0][0]["name"] == result["name"]]
        fits = next((group for group in same if not differences(group[-1][0], result)), None)
        if fits is not None:
            fits.append((result, path))
        else:
            why = "; ".join(differences(same[-1][-1][0], result)) if same else ""
            groups.append((why, [(result, path)]))
    found = [_trend(group, why, metrics, endpoint) for why, group in groups]
    return [trend for trend in found if trend.series]


def _trend(
    group: Sequence[tuple[Result, Path]], since: str, metrics: Sequence[str], endpoint: str
) -> Trend:
    made = [_series(group, metric, endpoint) for metric in metrics]
    measured = [series for series in made if series.points]
    return Trend(str(group[0][0]["name"]), endpoint, since, measured)


def _series(group: Sequence[tuple[Result, Path]], metric: str, endpoint: str) -> Series:
    points = [
        Point(_at(result), value, _commit(result), path)
        for result, path in group
        if (value := value_of(result, metric, endpoint or None)) is not None
    ]
    return Series(metric, points, _shifts([point.value for point in points], metric))


def _shifts(values: Sequence[float], metric: str) -> list[Shift]:
    """The changes that are worth a word; levels that differ by less are one."""
    kept: list[int] = []
    ends = [*change_points(values), len(values)]
    for at, end in pairwise(ends):
        first = kept[-1] if kept else 0
        shift = _shift(values[first:at], values[at:end], at, metric)
        if abs(shift.percent) >= LEAST_PERCENT:
            kept.append(at)
    firsts, lasts = [0, *kept], [*kept[1:], len(values)]
    return [
        _shift(values[first:at], values[at:last], at, metric)
        for first, at, last in zip(firsts, kept, lasts, strict=False)
    ]


def _shift(old: Sequence[float], new: Sequence[float], at: int, metric: str) -> Shift:
    before, after = statistics.median(old), statistics.median(new)
    better = (after > before) == METRICS[metric].higher_is_better
    return Shift(at, before, after, "better" if better else "worse")


def _at(result: Result) -> datetime:
    return datetime.fromisoformat(result["started_at"])


def _commit(result: Result) -> str:
    commit = result["environment"].get("commit") or {}
    return str(commit.get("id", ""))[:9] + ("+" if commit.get("modified") else "")
