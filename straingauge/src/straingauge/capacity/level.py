"""Measurements at one level of load, and whether it passed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from straingauge.capacity.level_search import Phase
from straingauge.number_text import plain

FailAt = Literal["warning", "critical"]

_FAILING_GRADES: Final[Mapping[FailAt, frozenset[str]]] = {
    "warning": frozenset({"warning", "critical", "no_data"}),
    "critical": frozenset({"critical", "no_data"}),
}
# Reasons of an invalid run that the service caused, by being too slow.
_BACKLOG_SHARE: Final = 0.05  # of the time of arrivals
_OVERLOAD: Final = frozenset({"dropped_work", "interrupted"})
# Causes that depend on load; others do not limit capacity.
_LOAD_DEPENDENT: Final = frozenset({"event_loop_blocked", "freeze", "jobs_not_draining"})


@dataclass(frozen=True, slots=True)
class Level:
    """One level of load.

    Attributes:
        level: Arrivals per second, or users.
        phase: Why it ran.
        passed: Whether no threshold failed.
        reasons: Why it failed, the worst reason first.
        load_independent: Problems of the service at any load: title -> message.
        inconclusive: Why it says nothing about the service; None if it does.
        throughput_rps: Requests per second.
        concurrency: Requests in flight, by Little's law.
        avg_ms, p50_ms, p95_ms, p99_ms: Response times.
        error_rate_percent: Percentage of requests that failed.
        cpu_percent: CPU usage of the service in percent of one core; None if unknown.
    """

    level: float
    phase: Phase
    passed: bool
    reasons: Sequence[str]
    load_independent: Mapping[str, str]
    inconclusive: str | None
    throughput_rps: float
    concurrency: float
    avg_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate_percent: float
    cpu_percent: float | None

    @classmethod
    def of(
        cls,
        level: float,
        phase: Phase,
        result: Mapping[str, Any],
        *,
        fail_at: FailAt,
        arrivals_s: float | None = None,
        aborted: str | None = None,
    ) -> "Level":
        """Evaluate the result of a level.

        Args:
            level: Arrivals per second, or users.
            phase: Why it ran.
            result: As `straingauge.result` composes it.
            fail_at: Grade at which the level fails.
            arrivals_s: Duration of the arrivals if the level is their rate: a backlog that is left
                long after them would grow forever.
            aborted: Why the level was aborted, if it was.
        """
        metrics, latency = result["metrics"], result["metrics"]["latency_ms"]
        entries = result["verdict"]["findings"]
        wrong = [each for each in entries if each["grade"] in _FAILING_GRADES[fail_at]]
        broken = [each["message"] for each in wrong if is_load_dependent(each)]
        reasons = [each for each in result["validity"]["reasons"] if each["severity"] == "invalid"]
        overload = [each["message"] for each in reasons if each["reason"] in _OVERLOAD]
        others = [each["message"] for each in reasons if each["reason"] not in _OVERLOAD]
        behind = [] if arrivals_s is None else _backlog(metrics, arrivals_s)
        why = [aborted] if aborted else [*broken, *overload, *behind]
        service = (result["resources"] or {}).get("service") or {}
        average_ms = latency["avg"]
        return cls(
            level=level,
            phase=phase,
            passed=not why,
            reasons=why,
            load_independent={
                each["rule"]: each["message"] for each in wrong if not is_load_dependent(each)
            },
            inconclusive="; ".join(others) or None,
            throughput_rps=metrics["throughput_rps"],
            concurrency=metrics["throughput_rps"] * (average_ms or 0.0) / 1000,
            avg_ms=average_ms,
            p50_ms=latency["p50"],
            p95_ms=latency["p95"],
            p99_ms=latency["p99"],
            error_rate_percent=metrics["error_rate_percent"],
            cpu_percent=(service.get("cpu_percent") or {}).get("avg"),
        )

    def as_dict(self) -> dict[str, Any]:
        """The level as a part of the file."""
        return asdict(self)


def is_load_dependent(entry: Mapping[str, Any]) -> bool:
    """True if a finding depends on the load."""
    return bool(entry["threshold"]) or entry["cause"] is None or entry["cause"] in _LOAD_DEPENDENT


def _backlog(metrics: Mapping[str, Any], arrivals_s: float) -> list[str]:
    """The reason of a level that left a backlog; a single slow response at the end is none."""
    latency = metrics["latency_ms"]
    if latency["p95"] is None:
        return []
    late_s = metrics["duration_s"] - arrivals_s - latency["min"] / 1000
    if late_s < _BACKLOG_SHARE * arrivals_s or latency["p95"] / 1000 < late_s / 2:
        return []
    return [
        f"it does not keep up: requests were still in flight {plain(late_s, 3)} s after the last"
        " arrival"
    ]


def knee(levels: Sequence[Level]) -> Level | None:
    """Find the level with the highest power, throughput by response time.

    More load than that mostly adds latency (Kleinrock, "Power and deterministic rules of thumb for
    probabilistic problems in computer communications", ICC 1979). None if no higher level ran.
    """
    served = [each for each in levels if each.avg_ms and each.throughput_rps]
    found = max(served, key=lambda each: each.throughput_rps / (each.avg_ms or 1), default=None)
    beyond = found is not None and any(each.level > found.level for each in levels)
    return found if beyond else None
