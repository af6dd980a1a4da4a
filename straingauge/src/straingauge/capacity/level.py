"""What was measured at one level of load, and whether it held."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from straingauge.capacity.level_search import Phase

Until = Literal["warning", "critical"]

_GRADES_THAT_END: Final[Mapping[Until, frozenset[str]]] = {
    "warning": frozenset({"warning", "critical", "no_data"}),
    "critical": frozenset({"critical", "no_data"}),
}
# Reasons of an invalid run that are the service's doing: it was too slow for what was due.
_LATE_SHARE: Final = 0.05  # of the time of arrivals
_OVERLOAD: Final = frozenset({"dropped_work", "interrupted"})
# Dangers that load brings about. The others are there at any load, and no matter of capacity.
_BY_LOAD: Final = frozenset({"event_loop_blocked", "freeze", "jobs_not_draining"})


@dataclass(frozen=True, slots=True)
class Level:
    """One load, played once.

    Attributes:
        level: Arrivals a second, or users.
        phase: Why it was played.
        passed: Whether all thresholds passed.
        reasons: What was not, in words; what is most wrong first.
        load_independent: Faults of the service at any load: titles, and what shows them.
        inconclusive: Why it proves nothing about the service; None where it does.
        throughput_rps: Requests a second.
        concurrency: Requests under way at once, by Little's law.
        avg_ms, p50_ms, p95_ms, p99_ms: Response times.
        error_rate_percent: Of the requests.
        cpu_percent: Of the service, of one core; None: not seen.
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
        until: Until,
        arrivals_s: float | None = None,
        aborted: str | None = None,
    ) -> "Level":
        """What a judged result says of that level.

        Args:
            level: Arrivals a second, or users.
            phase: Why it was played.
            result: As `straingauge.result` lays it out.
            until: The grade from which on it does not hold.
            arrivals_s: For how long there were arrivals, where a level is their rate: what is still
                answered long after has queued up, and would for ever.
            aborted: Why it was ended before its time, if it was.
        """
        metrics, latency = result["metrics"], result["metrics"]["latency_ms"]
        entries = result["verdict"]["findings"]
        wrong = [each for each in entries if each["grade"] in _GRADES_THAT_END[until]]
        broken = [each["message"] for each in wrong if of_load(each)]
        reasons = [each for each in result["validity"]["reasons"] if each["severity"] == "invalid"]
        overload = [each["message"] for each in reasons if each["reason"] in _OVERLOAD]
        others = [each["message"] for each in reasons if each["reason"] not in _OVERLOAD]
        behind = [] if arrivals_s is None else _behind(metrics, arrivals_s)
        why = [aborted] if aborted else [*broken, *overload, *behind]
        service = (result["resources"] or {}).get("service") or {}
        average_ms = latency["avg"]
        return cls(
            level=level,
            phase=phase,
            passed=not why,
            reasons=why,
            load_independent={each["rule"]: each["message"] for each in wrong if not of_load(each)},
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
        """As the file has it."""
        return asdict(self)


def of_load(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of a verdict tells how much load the service carries."""
    return bool(entry["threshold"]) or entry["cause"] is None or entry["cause"] in _BY_LOAD


def _behind(metrics: Mapping[str, Any], arrivals_s: float) -> list[str]:
    """That a queue was left when the last one had come; one slow answer in the end is none."""
    latency = metrics["latency_ms"]
    if latency["p95"] is None:
        return []
    late_s = metrics["duration_s"] - arrivals_s - latency["min"] / 1000
    if late_s < _LATE_SHARE * arrivals_s or latency["p95"] / 1000 < late_s / 2:
        return []
    return [
        f"it does not keep up: {late_s:.1f} s after the last arrival it was still busy with them"
    ]


def knee(levels: Sequence[Level]) -> Level | None:
    """The level of greatest power, throughput by response time: beyond, more load buys delay.

    (Kleinrock, "Power and deterministic rules of thumb for probabilistic problems in computer
    communications", ICC 1979.) None where no greater level was played: it may lie beyond.
    """
    served = [each for each in levels if each.avg_ms and each.throughput_rps]
    found = max(served, key=lambda each: each.throughput_rps / (each.avg_ms or 1), default=None)
    beyond = found is not None and any(each.level > found.level for each in levels)
    return found if beyond else None
