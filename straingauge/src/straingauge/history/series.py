"""Results of the same load in order of time, metric by metric."""

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
from straingauge.verdict.metrics import METRICS, metric_of, value_of

Result = Mapping[str, Any]

SHOWN = tuple(name for name, metric in METRICS.items() if metric.in_history)
LEAST_PERCENT = 3.0  # smaller shifts are not reported


@dataclass(frozen=True, slots=True)
class Point:
    """A measurement.

    Attributes:
        at: Start of its run.
        value: In the metric's unit.
        commit: Commit of the working tree, shortened; empty if unknown.
        file: The result file.
    """

    at: datetime
    value: float
    commit: str
    file: Path


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of level.

    Attributes:
        index: Index of the first point of the new level.
        before, after: Medians of the two levels.
        direction: "better" or "worse", by the metric's direction.
    """

    index: int
    before: float
    after: float
    direction: Literal["better", "worse"]

    @property
    def percent(self) -> float:
        """Size in percent of the level before; infinite if that was 0."""
        if not self.before:
            return math.copysign(math.inf, self.after - self.before)
        return 100 * (self.after - self.before) / abs(self.before)


@dataclass(frozen=True, slots=True)
class Series:
    """A metric over time.

    Attributes:
        metric: Its name in a threshold file.
        points: In order of time.
        shifts: Shifts of its level.
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
    """A load test over time, with the same settings on the same machine.

    Attributes:
        name: Name of the run.
        endpoint: Name of the endpoint; empty for the whole run.
        since: Why it is separate from an earlier trend; empty for the first.
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
    """Group results into trends.

    Invalid runs and copies of a result are skipped. A run with different settings or on a different
    machine than its predecessor begins a separate trend.

    Args:
        results: Results with their files, in any order.
        metrics: Names of the metrics, as in a threshold file.
        endpoint: Name of the endpoint; empty for the whole run.
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
    """The shifts of at least `LEAST_PERCENT`; smaller ones are merged."""
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
    better = (after > before) == metric_of(metric).higher_is_better
    return Shift(at, before, after, "better" if better else "worse")


def _at(result: Result) -> datetime:
    return datetime.fromisoformat(result["started_at"])


def _commit(result: Result) -> str:
    commit = result["environment"].get("commit") or {}
    return str(commit.get("id", ""))[:9] + ("+" if commit.get("modified") else "")
