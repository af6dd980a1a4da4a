"""The metrics a threshold may name, and where a result keeps each of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that can be demanded.

    Attributes:
        path: Where it stands in the part of the result it belongs to.
        of_endpoint: Whether an endpoint has it too, or only the whole run.
        higher_is_better: Its direction.
    """

    path: tuple[str, ...]
    of_endpoint: bool = True
    higher_is_better: bool = False


def _latency(statistic: str) -> Metric:
    return Metric(("metrics", "latency_ms", statistic))


METRICS: Mapping[str, Metric] = {
    "error_rate_percent": Metric(("metrics", "error_rate_percent")),
    "throughput_rps": Metric(("metrics", "throughput_rps"), higher_is_better=True),
    "avg_ms": _latency("avg"),
    "max_ms": _latency("max"),
    "p50_ms": _latency("p50"),
    "p95_ms": _latency("p95"),
    "p99_ms": _latency("p99"),
    # Judged by the low end of its interval: a trend that may be none is no degradation.
    "degradation_percent_per_minute": Metric(
        ("metrics", "degradation", "low_percent_per_minute"), of_endpoint=False
    ),
    "memory_growth_mb_per_200_requests": Metric(
        ("resources", "service", "memory", "growth_mb_per_200_requests"), of_endpoint=False
    ),
    "memory_peak_mb": Metric(("resources", "service", "memory", "peak_mb"), of_endpoint=False),
    "cpu_percent": Metric(("resources", "service", "cpu_percent", "avg"), of_endpoint=False),
    "pool_timeouts": Metric(("resources", "pool", "timeouts"), of_endpoint=False),
    "pool_wait_avg_ms": Metric(("resources", "pool", "avg_wait_ms"), of_endpoint=False),
}


def value_of(result: Mapping[str, Any], name: str, endpoint: str | None = None) -> float | None:
    """The value of metric `name` in a result or one of its endpoints; None: not measured."""
    path = METRICS[name].path
    found: Any = result
    if endpoint is not None:
        found, path = result["endpoints"].get(endpoint), path[1:]
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or math.isnan(found):
        return None
    return float(found)
