"""Compose a result from the reports of all processes of a load."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import cast

from straingauge.engine import EngineStats
from straingauge.feeders import FeederUse, merge_uses
from straingauge.http import ErrorKind
from straingauge.number_text import count
from straingauge.observe import Observations
from straingauge.observe.runtime import CLOSING_SERVERS
from straingauge.recording import MAX_ENDPOINTS, OTHER, Record
from straingauge.result.assembly.ended_early import describe, ended_early
from straingauge.result.assembly.histograms import (
    histograms_ns,
    intervals,
    max_intervals,
    transaction_histograms_ns,
)
from straingauge.result.assembly.resources import resources
from straingauge.result.assembly.scenarios import scenarios
from straingauge.result.format import SCHEMA_VERSION
from straingauge.result.format.metrics import (
    Degradation,
    EndpointMetrics,
    Metrics,
    PhaseMetrics,
    TransactionMetrics,
)
from straingauge.result.format.reason import Reason, as_dict
from straingauge.result.format.result import Feeder, Measurements
from straingauge.schedule import ConstantUsers, RampingUsers, Waves
from straingauge.statistics import (
    Plan,
    Warmup,
    degradation,
    endpoints,
    metrics,
    split_warmup,
    throughput,
    transactions,
)
from straingauge.verdict import ValidityInput, check_validity
from straingauge.verdict.validity_input import disconnected, wrong_responses
from straingauge.workers import MergedReports, Report, RunMetadata
from straingauge.workers.merge import merge_reports
from straingauge.workers.run_clock import wall_time


def compose(
    merged: MergedReports, *, ended: str | None = None, so_far: bool = False
) -> Measurements:
    """Compose the result of a load, without its verdict.

    Args:
        merged: The reports of its processes, with the metadata of the run.
        ended: Why the load ended early; None if it did not.
        so_far: The load continues. The endpoints' histograms and intervals, which take three
            quarters of the time, are skipped.
    """
    metadata = merged.metadata
    assert metadata is not None
    measured = merge_reports(merged.reports)
    record, warmup = split_warmup(measured)
    engines = _engines(merged.reports)
    reasons = (ended, merged.abort_reason, _end_reason(merged, engines))
    has_ended_early = so_far or any(reason is not None for reason in reasons)
    plan = None if has_ended_early else _plan(metadata)
    whole = metrics(record, plan=plan, percentiles=metadata.percentiles)
    observations = next((w for report in merged.reports if (w := report.observations)), None)
    total = record.total("main")
    validity_input = replace(
        _validity_input(merged, record, engines, whole, observations, ended=ended),
        throughput=throughput(total, total, plan),
        endpoint_limit=_endpoint_limit(record),
    )
    found = scenarios(
        metadata.configuration.get("scenarios") or (),
        record,
        engines,
        validity_input,
        percentiles=metadata.percentiles,
        is_complete=not has_ended_early,
        histograms=not so_far,
    )
    composed: Measurements = {
        "schema_version": SCHEMA_VERSION,
        "name": metadata.name,
        "started_at": metadata.started_at,
        "configuration": {**metadata.configuration, "processes": _processes(merged)},
        "environment": metadata.environment,
        "metrics": _metrics(whole, record, warmup),
        "endpoints": _endpoints(record, plan, metadata.percentiles, histograms=not so_far),
        "intervals": intervals(total),
        "status_codes": whole["status_codes"],
        "errors": whole["errors"],
        "phases": {phase: metrics(record, phase) for phase in record.phases if phase != "main"},
        "resources": resources(observations, engines, measured.requests("main"), merged.start_ns),
        "validity": as_dict(_with_reasons(check_validity(validity_input), found.reasons)),
    }
    if metadata.started_ns is not None and merged.start_ns is not None:
        composed["load_started_at"] = wall_time(
            metadata.started_at, metadata.started_ns, merged.start_ns
        )
    if found.scenarios:
        composed["scenarios"] = found.scenarios
    if found.tags:
        composed["tags"] = found.tags
    if timed := _transactions(record, metadata.percentiles, histograms=not so_far):
        composed["transactions"] = timed
    profile = next((each.profile for each in merged.reports if each.profile), None)
    if profile is not None:
        composed["profile"] = profile
    if raised := [each for report in merged.reports for each in report.exceptions]:
        composed["exceptions"] = raised
    if uses := merge_uses(report.feeders for report in merged.reports):
        composed["feeders"] = {use.name: _feeder(use) for use in uses}
    if merged.ending is not None:
        composed["ended_early"] = ended_early(merged, merged.ending, engines)
    return composed


def _with_reasons(reasons: list[Reason], of_scenarios: list[Reason]) -> list[Reason]:
    """Return the reasons of a run, of which those of its scenarios are more precise."""
    known = {each.reason for each in of_scenarios}
    kept = [each for each in reasons if each.reason not in known]
    return sorted([*kept, *of_scenarios], key=lambda reason: reason.severity)


def _feeder(use: FeederUse) -> Feeder:
    return {
        "rows": use.rows,
        "rows_used": use.rows_used,
        "uses": use.uses,
        "order": use.order,
        "on_end": use.on_end,
        "delimiter": use.delimiter,
        "ended": use.ended,
    }


def _metrics(whole: PhaseMetrics, record: Record, warmup: Warmup | None) -> Metrics:
    found: Metrics = {
        "total_requests": whole["total_requests"],
        "duration_s": whole["duration_s"],
        "throughput_rps": whole["throughput_rps"],
        "error_rate_percent": whole["error_rate_percent"],
        "rate_limited": whole["rate_limited"],
        "latency_ms": whole["latency_ms"],
        "service_time_ms": whole["service_time_ms"],
        "first_byte_ms": whole["first_byte_ms"],
        "connect_ms": whole["connect_ms"],
        "server_timing": whole["server_timing"],
        "slowest": whole["slowest"],
        "stalls": whole["stalls"],
        "degradation": _degradation(record),
        "warmup": None if warmup is None else warmup.as_dict(),
    }
    if "streams" in whole:
        found["streams"] = whole["streams"]
    if "websockets" in whole:
        found["websockets"] = whole["websockets"]
    return found


def _plan(metadata: RunMetadata) -> Plan | None:
    """Return the schedule of a load; None of waves, which end when the last one has."""
    schedule = metadata.configuration.get("schedule") or {}
    parts = schedule.get("parts")
    kinds = {part["kind"] for part in parts.values()} if parts else {schedule.get("kind")}
    if {None, Waves.__name__.lower()} & kinds or metadata.duration_s is None:
        return None
    closed = {each.__name__.lower() for each in (ConstantUsers, RampingUsers)}
    return Plan(metadata.duration_s, not kinds <= closed)


def _endpoints(
    record: Record, plan: Plan | None, percentiles: Collection[str], *, histograms: bool
) -> dict[str, EndpointMetrics]:
    series = record.endpoints("main")
    most = max_intervals(len(series))
    found: dict[str, EndpointMetrics] = {}
    for name, each in endpoints(record, plan=plan, percentiles=percentiles).items():
        if histograms:
            over_time = intervals(series[name], most)
            found[name] = {
                **each,
                "histograms_ns": histograms_ns(series[name]),
                "intervals": over_time,
            }
        else:
            found[name] = cast("EndpointMetrics", each)
    return found


def _transactions(
    record: Record, percentiles: Collection[str], *, histograms: bool
) -> dict[str, TransactionMetrics]:
    found = transactions(record, percentiles=percentiles)
    if histograms:
        for name, series in record.transactions_of("main").items():
            found[name]["histograms_ns"] = transaction_histograms_ns(series)
    return found


def _engines(reports: Iterable[Report]) -> dict[str, EngineStats]:
    """The engine statistics of each process that completed the main phase."""
    return {
        report.process: report.engines["main"] for report in reports if "main" in report.engines
    }


def _setup_error(merged: MergedReports, record: Record) -> str | None:
    """Say why no load was sent, and what was done until then; None if nothing prevented it."""
    done = {"warm-up": record.requests("warmup"), "log-in": record.requests("setup")}
    last = next((name for name, requests in done.items() if requests), None)
    if merged.abort_reason != "interrupted" or last is None:
        return merged.abort_reason
    sent = count(done[last], "request that counts", "requests that count")
    return f"interrupted in the {last}, after {sent} in no verdict"


def _validity_input(
    merged: MergedReports,
    record: Record,
    engines: Mapping[str, EngineStats],
    whole: PhaseMetrics,
    observations: Observations | None,
    *,
    ended: str | None,
) -> ValidityInput:
    setup_error = None if whole["total_requests"] else _setup_error(merged, record)
    credentials = frozenset[str]().union(*(report.credentials for report in merged.reports))
    users = merged.metadata.users if merged.metadata else 0
    configuration = merged.metadata.configuration if merged.metadata else {}
    return ValidityInput(
        requests=whole["total_requests"],
        abandoned=sum(engine.abandoned for engine in engines.values()),
        rate_limited=whole["rate_limited"],
        disconnected=disconnected(whole["errors"]["kinds"]),
        wrong_responses=wrong_responses(whole["errors"]["kinds"]),
        failed=sum(whole["errors"]["kinds"].values()),
        has_died=merged.ending is not None and merged.ending.by == "dead_service",
        without_socket=whole["errors"]["kinds"].get(ErrorKind.OUT_OF_SOCKETS, 0),
        dropped=sum(engine.dropped for engine in engines.values()),
        start_delay_p99_ms=max(
            (engine.start_delay_ms.p99 for engine in engines.values()), default=0.0
        ),
        p95_ms=whole["latency_ms"]["p95"],
        loop_lag_p50_ms=max((e.loop_lag_ms.p50 for e in engines.values()), default=0.0),
        loop_lag_p99_ms=max((e.loop_lag_ms.p99 for e in engines.values()), default=0.0),
        cpu_share=max((engine.cpu_share for engine in engines.values()), default=0.0),
        lost=merged.lost,
        unsent=_unsent(merged),
        interrupted=None if setup_error else merged.abort_reason or ended,
        end_reason=_end_reason(merged, engines),
        changes=merged.changes,
        tear_down_failed=sum(record.total("teardown").errors.values()),
        not_torn_down=_not_torn_down(merged),
        blocking_call=max(
            (each.blocking_call for each in engines.values() if each.blocking_call),
            key=lambda found: found[1],
            default=None,
        ),
        thread_queue_p99_ms=max((e.thread_queue_ms.p99 for e in engines.values()), default=0.0),
        setup_error=setup_error,
        setup_advice=merged.abort_hint or "",
        users=users if whole["total_requests"] else 0,
        accounts=len(credentials),
        idle=merged.idle,
        processes=_processes(merged),
        unavailable=observations.unavailable if observations else (),
        closing_server=_closing_server(observations, engines),
        insecure=bool(configuration.get("http", {}).get("insecure")),
        is_http1_instead=any(engine.http1_instead for engine in engines.values()),
    )


def _endpoint_limit(record: Record) -> int:
    """Return the number of endpoints recorded apart if there were more; else 0."""
    names = {endpoint for _, endpoint in record.series}
    return MAX_ENDPOINTS if OTHER in names and len(names) > MAX_ENDPOINTS else 0


def _end_reason(merged: MergedReports, engines: Mapping[str, EngineStats]) -> str | None:
    """Return why the load ended before its schedule, by intention; None if it did not."""
    if merged.ending is not None:
        return describe(ended_early(merged, merged.ending, engines))
    return next((each.end_reason for each in engines.values() if each.end_reason), None)


def _closing_server(observations: Observations | None, engines: Mapping[str, EngineStats]) -> str:
    """Return the server that closed at least every second connection, by design; else ""."""
    server = observations.runtime.server if observations else None
    sent = sum(engine.sent for engine in engines.values())
    opened = sum(engine.connections for engine in engines.values())
    return server if server in CLOSING_SERVERS and 2 * opened >= sent > 0 else ""


def _processes(merged: MergedReports) -> int:
    """The number of processes; one may have sent several reports."""
    return len({report.process for report in merged.reports})


def _not_torn_down(merged: MergedReports) -> int:
    """The users whose tear-down did not begin, or was given up."""
    ends = [e for report in merged.reports if (e := report.engines.get("teardown")) is not None]
    users = merged.metadata.configuration.get("users", 0) if merged.metadata else 0
    begun = sum(end.journeys - end.abandoned for end in ends)
    return max(users - begun, 0) if ends and not merged.lost else 0


def _unsent(merged: MergedReports) -> int:
    """The requests that the lost processes did not send, compared with the busiest process."""
    sent = {report.process: report.requests for report in merged.reports}
    most = max(sent.values(), default=0)
    return sum(most - sent.get(lost.process, 0) for lost in merged.lost)


def _degradation(record: Record) -> Degradation | None:
    trend = degradation(record)
    if trend is None:
        return None
    return {
        "percent_per_minute": round(trend.slope, 3),
        "low_percent_per_minute": round(trend.low, 3),
        "high_percent_per_minute": round(trend.high, 3),
    }
