"""Limits of control groups in a result: of the service, and of the generator."""

from collections.abc import Sequence

from straingauge.observe import Sample
from straingauge.result.assembly.sampling import (
    MB,
    highest,
    increase,
    points,
    shares,
    values,
    whole,
)
from straingauge.result.format.limits import GeneratorLimits, Limits


def limits(samples: Sequence[Sample]) -> Limits:
    """Compose the limits of the service."""
    found: Limits = {
        "cpus": highest(samples, "cpu_quota_cpus"),
        "throttled_percent": _throttled_percent(samples, ""),
        "throttled_s": increase(samples, "cpu_throttled_s"),
        "memory_mb": highest(samples, "memory_limit_bytes", MB),
        "oom_kills": whole(increase(samples, "oom_kills")),
    }
    busy = shares(points(samples, "allowed_cpus_busy_s"))
    if busy is not None:
        found["allowed_cpus"] = int(values(samples, "allowed_cpus")[-1])
        found["allowed_cpus_percent"] = busy["avg"]
    return found


def generator_limits(samples: Sequence[Sample]) -> GeneratorLimits | None:
    """Compose the limits of the generator; None without a quota."""
    cpus = highest(samples, "generator_cpu_quota_cpus")
    if cpus is None:
        return None
    return {
        "cpus": cpus,
        "throttled_percent": _throttled_percent(samples, "generator_"),
        "throttled_s": increase(samples, "generator_cpu_throttled_s"),
        "shared": bool(values(samples, "cpu_quota_shared")),
    }


def _throttled_percent(samples: Sequence[Sample], whose: str) -> float | None:
    """Return the percentage of the quota's periods in which it was used up.

    The kernel counts only periods in which a process of the group ran.
    """
    periods = increase(samples, f"{whose}cpu_quota_periods")
    throttled = increase(samples, f"{whose}cpu_throttled_periods")
    if periods is None or throttled is None:
        return None
    return round(100 * throttled / periods, 1) if periods else 0.0
