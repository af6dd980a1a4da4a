"""From what all processes have measured and seen to the result, and from there to its verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from straingauge.diagnosis import cause_of_failed_check, diagnose, warnings
from straingauge.engine import EngineStats
from straingauge.observe import Observations
from straingauge.recording import Record, Series
from straingauge.result.assembly.histograms import histograms_ns, intervals_ns, most_each
from straingauge.result.assembly.resources import resources
from straingauge.statistics import degradation, endpoints, metrics, split_warmup
from straingauge.verdict import Finding, Thresholds, ValidityInput, Verdict, check_validity, judge
from straingauge.verdict.validity import as_dict
from straingauge.workers import MergedReports, Report


def compose(
    merged: MergedReports, *, ended: str | None = None, so_far: bool = False
) -> dict[str, Any]:
    """The result of a load, without its verdict.

    Args:
        merged: What its processes have reported; its plan is the leader's.
        ended: Why the load did not come to its end, if it did not.
        so_far: It goes on; the endpoints' histograms and intervals, which take three quarters of
            the time, are left out.
    """
    plan = merged.plan or {}
    measured = Record().merge(*(Record.from_bytes(report.record) for report in merged.reports))
    record, warmup = split_warmup(measured)
    engines = _engines(merged.reports)
    whole, series = metrics(record), record.endpoints("main")
    status_codes, errors = whole.pop("status_codes"), whole.pop("errors")
    whole["degradation"] = _degradation(record)
    whole["warmup"] = asdict(warmup) if warmup else None
    watched = next((w for report in merged.reports if (w := report.extra["watched"])), None)
    seen = resources(watched, engines, measured.requests("main"))
    evidence = _evidence(merged, engines, whole, watched, ended)
    return {
        "name": plan["name"],
        "started_at": plan["started_at"],
        "configuration": {**plan["configuration"], "processes": _processes(merged)},
        "environment": plan["environment"],
        "metrics": whole,
        "endpoints": {
            name: figures if so_far else {**figures, **_distribution(series, name)}
            for name, figures in endpoints(record).items()
        },
        "intervals": intervals_ns(record.total("main")),
        "status_codes": status_codes,
        "errors": errors,
        "phases": {phase: metrics(record, phase) for phase in record.phases if phase != "main"},
        "resources": seen,
        "validity": as_dict(check_validity(evidence)),
    }


def conclude(
    result: Mapping[str, Any],
    thresholds: Thresholds,
    findings: Iterable[Finding] = (),
    *,
    demanded: Sequence[str] = (),
) -> tuple[dict[str, Any], Verdict]:
    """The result with its verdict and what accounts for it, and that verdict."""
    found = [*_not_read_back(result), *_steady_growth(result, thresholds), *findings]
    known = {finding.cause for finding in found if finding.grade in ("warning", "critical")}
    found += [danger for danger in warnings(result) if danger.cause not in known]
    verdict = judge(result, thresholds, found, demanded=demanded)
    judged = {**result, "verdict": verdict.as_dict()}
    return {**judged, "diagnosis": diagnose(judged)}, verdict


def _distribution(series: Mapping[str, Series], endpoint: str) -> dict[str, Any]:
    """An endpoint's response times whole, and over time."""
    return {
        "histograms_ns": histograms_ns(series[endpoint]),
        "intervals": intervals_ns(series[endpoint], most_each(len(series))),
    }


def _engines(reports: Iterable[Report]) -> dict[str, EngineStats]:
    """Each process's engine in the main phase, of those that came to its end."""
    return {
        report.process: report.extra["engines"]["main"]
        for report in reports
        if "main" in report.extra["engines"]
    }


def _evidence(
    merged: MergedReports,
    engines: Mapping[str, EngineStats],
    whole: Mapping[str, Any],
    watched: Observations | None,
    ended: str | None,
) -> ValidityInput:
    never_began = merged.broken if not whole["total_requests"] else None
    credentials = set().union(*(report.extra["credentials"] for report in merged.reports))
    users = merged.plan["users"] if merged.plan else 0
    return ValidityInput(
        requests=whole["total_requests"],
        rate_limited=whole["rate_limited"],
        dropped=sum(engine.dropped for engine in engines.values()),
        late_p99_ms=max((engine.late_ms.p99 for engine in engines.values()), default=0.0),
        p95_ms=whole["latency_ms"]["p95"],
        loop_lag_p50_ms=max((e.loop_lag_ms.p50 for e in engines.values()), default=0.0),
        loop_lag_p99_ms=max((e.loop_lag_ms.p99 for e in engines.values()), default=0.0),
        cpu_share=max((engine.cpu_share for engine in engines.values()), default=0.0),
        lost=merged.lost,
        unsent=_unsent(merged),
        interrupted=None if never_began else merged.broken or ended,
        setup_error=never_began,
        users=users if whole["total_requests"] else 0,
        accounts=len(credentials),
        idle=merged.idle,
        processes=_processes(merged),
        unseen=watched.blind if watched else (),
    )


def _processes(merged: MergedReports) -> int:
    """How many there were; one may have reported in parts."""
    return len({report.process for report in merged.reports})


def _unsent(merged: MergedReports) -> int:
    """What the lost processes would have sent besides, had they kept up with the busiest one."""
    sent = {report.process: report.requests for report in merged.reports}
    most = max(sent.values(), default=0)
    return sum(most - sent.get(lost.process, 0) for lost in merged.lost)


def _degradation(record: Record) -> dict[str, float] | None:
    trend = degradation(record)
    if trend is None:
        return None
    return {
        "percent_per_minute": round(trend.slope, 3),
        "low_percent_per_minute": round(trend.low, 3),
        "high_percent_per_minute": round(trend.high, 3),
    }


def _not_read_back(result: Mapping[str, Any]) -> Iterable[Finding]:
    """What was wrong when the acknowledged was looked at again: critical, all of it."""
    verify = result["phases"].get("verify")
    if verify is None:
        return
    wrong = sum(verify["errors"]["kinds"].values()) + verify["rate_limited"]
    if not wrong:
        asked = verify["total_requests"]
        yield Finding("read back", "target", f"all {asked} requests after the load went well")
        return
    examples = verify["errors"]["examples"]
    first = examples[0] if examples else {"status": 429, "detail": "answered 429"}
    yield Finding(
        "read back",
        "critical",
        f"{wrong} of {verify['total_requests']} requests after the load went wrong; first: "
        f"{first['detail']}",
        cause=cause_of_failed_check(first),
    )


def _steady_growth(result: Mapping[str, Any], thresholds: Thresholds) -> Iterable[Finding]:
    """Where memory is demanded of: growth that goes on is critical, however slow."""
    if "memory_growth_mb_per_200_requests" not in thresholds.for_run(result["name"]):
        return
    service = result["resources"]["service"]
    memory = service and service["memory"]
    if memory and memory["still_growing"]:
        later = memory["later_trend_mb_per_200_requests"]
        yield Finding(
            "steady memory growth",
            "critical",
            f"the service's memory grew by {memory['growth_mb']:.1f} MB and had not stopped: "
            f"{later['slope']:.1f} MB for each 200 requests in the second half "
            f"(at least {later['low']:.1f})",
            cause="memory_leak",
        )
