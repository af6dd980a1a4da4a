"""Metrics: what thresholds may name, histories plot and comparisons show.

Each is declared here and nowhere else; a new metric is a new entry of `METRICS`. Those with a
number or a kind in their name are in `metric_families`.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

from straingauge.verdict.metric import Metric
from straingauge.verdict.metric_families import FAMILIES, family_metric, percentile


def _response_time(statistic: str, description: str) -> Metric:
    return Metric(
        title=statistic,
        unit="ms",
        description=f"{description} response time (done - intended start)",
        path=("metrics", "latency_ms", statistic),
        topic="speed",
        per_endpoint=True,
        per_transaction=True,
        of_speed=True,
    )


def _stream(name: str, statistic: str, title: str, description: str) -> Metric:
    return Metric(
        title=title,
        unit="ms",
        description=f"{description}, of responses that are read as they come",
        path=("metrics", "streams", name, statistic),
        topic="speed",
        per_endpoint=True,
        of_speed=True,
        compared_as_value=True,
        whole_run=True,
    )


METRICS: Mapping[str, Metric] = {
    "p50_ms": percentile("p50", in_history=True),
    "p95_ms": percentile("p95", in_history=True),
    "p99_ms": percentile("p99", in_history=True),
    "avg_ms": _response_time("avg", "mean"),
    "max_ms": _response_time("max", "longest"),
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
    "arrivals_percent": Metric(
        title="arrivals started",
        unit="%",
        description="journeys that were started, in percent of the arrivals that were due; less "
        "than 100 where all users were busy",
        path=("resources", "generator", "arrivals_percent"),
        topic="speed",
        higher_is_better=True,
    ),
    "error_rate_percent": Metric(
        title="errors",
        unit="%",
        description="errors per requests that were not rate-limited",
        path=("metrics", "error_rate_percent"),
        topic="errors",
        per_endpoint=True,
        per_transaction=True,
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
        whole_run=True,
        of_speed=True,
    ),
    "first_event_p95_ms": _stream(
        "first_event_ms", "p95", "first event p95", "95th percentile of the time to the first event"
    ),
    "event_gap_p95_ms": _stream(
        "event_gap_ms", "p95", "event gap p95", "95th percentile of the times between two events"
    ),
    "event_gap_p99_ms": _stream(
        "event_gap_ms", "p99", "event gap p99", "99th percentile of the times between two events"
    ),
    "time_to_first_token_p95_ms": _stream(
        "time_to_first_token_ms",
        "p95",
        "first token p95",
        "95th percentile of the time to the first token",
    ),
    "inter_token_latency_p95_ms": _stream(
        "inter_token_latency_ms",
        "p95",
        "inter-token latency p95",
        "95th percentile of the times between two tokens",
    ),
    "stream_stalls": Metric(
        title="stream stalls",
        unit="",
        description="gaps between two events of a stream that were longer than its limit",
        path=("metrics", "streams", "stalls"),
        topic="speed",
        per_endpoint=True,
        of_speed=True,
        compared_as_value=True,
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
    "cpu_peak_percent": Metric(
        title="service CPU, peak",
        unit="%",
        description="the highest CPU time of the service's processes between two samples, in "
        "percent of one core",
        path=("resources", "service", "cpu_percent", "peak"),
        topic="speed",
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
        whole_run=True,
        in_history=True,
    ),
    "event_loop_longest_ms": Metric(
        title="longest block of the event loop",
        unit="ms",
        description="the longest time for which an event loop of the service was blocked",
        path=("resources", "service", "event_loop", "longest_ms"),
        topic="speed",
    ),
    "pool_in_use_peak": Metric(
        title="pool, peak in use",
        unit="",
        description="the most connections of the service's pool in use at once",
        path=("resources", "pool", "peak_in_use"),
        topic="speed",
    ),
    "pool_in_use_percent": Metric(
        title="pool in use",
        unit="%",
        description="the most connections in use at once, in percent of the pool's size",
        path=("resources", "pool", "peak_in_use"),
        topic="speed",
        percent_of=("resources", "pool", "size"),
    ),
    "database_connections_peak": Metric(
        title="database connections, peak",
        unit="",
        description="the most connections to the service's database at once",
        path=("resources", "database", "connections", "peak"),
        topic="speed",
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
__doc__ = f"{__doc__}\n{_LIST}\n{FAMILIES}\n"


Part = tuple[Literal["transactions", "scenarios", "tags"], str]
"""A part of a run by the section of its result, and its name there."""


def describe_part(part: Part) -> str:
    """Return a part in words, such as "transaction checkout"."""
    return f"{part[0].removesuffix('s')} {part[1]}"


def find_metric(name: str) -> Metric | None:
    """Return the metric of a name; None if there is none."""
    return METRICS.get(name) or family_metric(name)


def metric_of(name: str) -> Metric:
    """Return the metric of a name that is known to exist."""
    found = find_metric(name)
    assert found is not None, name
    return found


def value_of(
    result: Mapping[str, Any],
    name: str,
    endpoint: str | None = None,
    *,
    part: Part | None = None,
) -> float | None:
    """Return the value of a metric in a result, or in a part of it; None if not measured.

    Args:
        result: The result.
        name: The metric.
        endpoint: The endpoint, if its value is wanted.
        part: The transaction, scenario or tag, likewise.
    """
    metric = metric_of(name)
    section: Mapping[str, Any] | None = result
    if part is not None:
        section = result.get(part[0], {}).get(part[1])
    elif endpoint is not None:
        section = result["endpoints"].get(endpoint)
    if metric.share is not None:
        return _share(metric, section, (section if endpoint else result["metrics"]))
    value = _number(section, metric.path if section is result else metric.path[1:])
    if value is None:
        return metric.unless_listed
    if metric.percent_of:
        whole = _number(section, metric.percent_of)
        return 100 * value / whole if whole else None
    return value


def _share(
    metric: Metric, section: Mapping[str, Any] | None, totals: Mapping[str, Any] | None
) -> float | None:
    """Return the percentage of the requests that a metric counts; None without requests."""
    assert metric.share is not None
    if section is None or totals is None or not totals["total_requests"]:
        return None
    counted = metric.share(section["errors"]["kinds"], section["status_codes"])
    return 100 * counted / float(totals["total_requests"])


def _number(found: Any, path: tuple[str, ...]) -> float | None:  # noqa: ANN401  a part of a result
    """Return the number at a path; None if there is none, or NaN."""
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or math.isnan(found):
        return None
    return float(found)
