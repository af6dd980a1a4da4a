"""Metrics: what thresholds may name, histories plot and comparisons show.

Each is declared here and nowhere else; a new metric is a new entry of `METRICS`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Topic = Literal["speed", "trend", "errors", "growth"]
"""The kind of failure that a critical value of a metric is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """The declaration of a metric.

    Attributes:
        title: Its name in reports.
        unit: Its unit in reports.
        description: What it measures, and how.
        path: Where a result keeps it. If `per_endpoint`, the first step is "metrics" for the whole
            run, and one of the endpoints otherwise.
        topic: The kind of failure that a critical value is.
        per_endpoint: It exists for each endpoint as well.
        higher_is_better: The direction of improvement.
        of_speed: A threshold for it demands something of the service's speed.
        unless_listed: Its value where a result has no entry for it; None if it was not measured.
        in_history: `straingauge history` shows it by default.
        compared_as_value: `straingauge compare` shows it without a confidence interval.
    """

    title: str
    unit: str
    description: str
    path: tuple[str, ...]
    topic: Topic
    per_endpoint: bool = False
    higher_is_better: bool = False
    of_speed: bool = False
    unless_listed: float | None = None
    in_history: bool = False
    compared_as_value: bool = False

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title} {self.unit}".strip()


def _response_time(statistic: str, description: str, *, in_history: bool = False) -> Metric:
    return Metric(
        title=statistic,
        unit="ms",
        description=f"{description} (done - intended start)",
        path=("metrics", "latency_ms", statistic),
        topic="speed",
        per_endpoint=True,
        of_speed=True,
        in_history=in_history,
    )


METRICS: Mapping[str, Metric] = {
    "p50_ms": _response_time("p50", "median response time", in_history=True),
    "p95_ms": _response_time("p95", "95th percentile of the response time", in_history=True),
    "p99_ms": _response_time("p99", "99th percentile of the response time", in_history=True),
    "avg_ms": _response_time("avg", "mean response time"),
    "max_ms": _response_time("max", "longest response time"),
    "throughput_rps": Metric(
        title="throughput",
        unit="/s",
        description="completed requests per second, within the schedule",
        path=("metrics", "throughput_rps"),
        topic="speed",
        per_endpoint=True,
        higher_is_better=True,
        of_speed=True,
        in_history=True,
    ),
    "error_rate_percent": Metric(
        title="errors",
        unit="%",
        description="errors per requests that were not rate-limited",
        path=("metrics", "error_rate_percent"),
        topic="errors",
        per_endpoint=True,
        in_history=True,
    ),
    "journey_errors": Metric(
        title="journey errors",
        unit="",
        description="exceptions raised by journeys, which are faults of the load test",
        path=("errors", "kinds", "journey_error"),
        topic="errors",
        unless_listed=0,
    ),
    "degradation_percent_per_minute": Metric(
        title="degradation",
        unit="%/min",
        description="growth of the response times during the load: the lower end of the "
        "confidence interval of the Theil-Sen slope",
        path=("metrics", "degradation", "low_percent_per_minute"),
        topic="trend",
        of_speed=True,
    ),
    "cpu_percent": Metric(
        title="service CPU",
        unit="%",
        description="CPU time of the service's processes, in percent of one core",
        path=("resources", "service", "cpu_percent", "avg"),
        topic="speed",
        in_history=True,
        compared_as_value=True,
    ),
    "memory_peak_mb": Metric(
        title="service memory",
        unit="MB",
        description="highest resident memory of the service's processes",
        path=("resources", "service", "memory", "peak_mb"),
        topic="growth",
        compared_as_value=True,
    ),
    "memory_growth_mb_per_200_requests": Metric(
        title="memory growth",
        unit="MB/200 requests",
        description="growth of the service's resident memory per 200 requests: the Theil-Sen "
        "slope over the run",
        path=("resources", "service", "memory", "growth_mb_per_200_requests"),
        topic="growth",
        in_history=True,
    ),
    "pool_timeouts": Metric(
        title="pool timeouts",
        unit="",
        description="requests that got no connection from the service's pool in time",
        path=("resources", "pool", "timeouts"),
        topic="speed",
    ),
    "pool_wait_avg_ms": Metric(
        title="pool wait",
        unit="ms",
        description="mean wait for a connection of the service's pool",
        path=("resources", "pool", "avg_wait_ms"),
        topic="speed",
    ),
}

_LIST = "\n".join(f"    {name}: {metric.description}" for name, metric in METRICS.items())
__doc__ = f"{__doc__}\n{_LIST}\n"


def value_of(result: Mapping[str, Any], name: str, endpoint: str | None = None) -> float | None:
    """Return the value of a metric in a result or one of its endpoints; None if not measured."""
    metric = METRICS[name]
    path = metric.path
    found: Any = result
    if endpoint is not None:
        found, path = result["endpoints"].get(endpoint), path[1:]
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if found is None:
        return metric.unless_listed
    if isinstance(found, bool) or not isinstance(found, int | float) or math.isnan(found):
        return None
    return float(found)
