"""The scenarios of a result, their tags, and what makes one of them invalid."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from straingauge.engine import EngineStats
from straingauge.engine.load import ScenarioStats
from straingauge.recording import Record
from straingauge.result.assembly.histograms import histograms_ns, transaction_histograms_ns
from straingauge.result.format.metrics import (
    PhaseMetrics,
    ScenarioEndpoint,
    ScenarioMetrics,
    TagMetrics,
    Traffic,
    TransactionMetrics,
)
from straingauge.result.format.reason import Reason
from straingauge.result.format.result import PlannedScenario
from straingauge.statistics import Plan, endpoints, metrics, transactions
from straingauge.verdict import ValidityInput
from straingauge.verdict.validity import check_timeliness
from straingauge.verdict.validity_input import disconnected, wrong_responses


@dataclass(frozen=True, slots=True)
class Scenarios:
    """The scenarios of a run.

    Attributes:
        scenarios: By name.
        tags: Scenarios taken together, by tag.
        reasons: Why a scenario is invalid, and notes on its validity.
    """

    scenarios: dict[str, ScenarioMetrics] = field(default_factory=dict)
    tags: dict[str, TagMetrics] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)


def scenarios(
    planned: Iterable[PlannedScenario],
    record: Record,
    engines: Mapping[str, EngineStats],
    evidence: ValidityInput,
    *,
    percentiles: Collection[str],
    is_complete: bool,
    histograms: bool,
) -> Scenarios:
    """Compute the metrics of each scenario and tag.

    Args:
        planned: The scenarios as the run's configuration describes them.
        record: The measurements of all processes.
        engines: Statistics of the engine, by process.
        evidence: What decides on the validity of the whole run.
        percentiles: Percentiles of the response time in addition to p50, p95 and p99.
        is_complete: The load ran to the end of its schedule.
        histograms: Add the histograms.
    """
    found = Scenarios()
    names_of_tag: dict[str, list[str]] = {}
    for each in planned:
        name = each["name"]
        part = record.of_scenarios((name,))
        plan = _plan(each) if is_complete else None
        whole = metrics(part, plan=plan, percentiles=percentiles)
        stats = [engine.scenarios[name] for engine in engines.values() if name in engine.scenarios]
        reasons = _reasons(name, evidence, whole, stats)
        found.reasons.extend(reasons)
        own: Any = {
            **_traffic(whole),
            "tags": list(each["tags"]),
            "start_s": each["start_s"],
            "journeys": sum(process.journeys for process in stats),
            "dropped": sum(process.dropped for process in stats),
            "waited": sum(process.waited for process in stats),
            "start_delay_p99_ms": round(_start_delay_p99_ms(stats), 3),
            "valid": all(reason.severity != "invalid" for reason in reasons),
            "endpoints": _endpoints(part, plan, percentiles, histograms=histograms),
            "transactions": _transactions(part, percentiles, histograms=histograms),
        }
        if histograms:
            own["histograms_ns"] = histograms_ns(part.total("main"))
        found.scenarios[name] = own
        for tag in each["tags"]:
            names_of_tag.setdefault(tag, []).append(name)
    for tag, names in sorted(names_of_tag.items()):
        whole = metrics(record.of_scenarios(names), percentiles=percentiles)
        found.tags[tag] = {**_traffic(whole), "scenarios": names}
    return found


def _plan(scenario: PlannedScenario) -> Plan | None:
    if scenario["duration_s"] is None:
        return None
    return Plan(scenario["start_s"] + scenario["duration_s"], scenario["is_open"])


def _traffic(whole: PhaseMetrics) -> Traffic:
    fields = Traffic.__required_keys__ | (Traffic.__optional_keys__ & whole.keys())
    return cast("Traffic", {name: whole[name] for name in whole if name in fields})  # type: ignore[literal-required]


def _endpoints(
    part: Record, plan: Plan | None, percentiles: Collection[str], *, histograms: bool
) -> dict[str, ScenarioEndpoint]:
    series = part.endpoints("main")
    found: dict[str, ScenarioEndpoint] = {}
    for name, each in endpoints(part, plan=plan, percentiles=percentiles).items():
        found[name] = cast("ScenarioEndpoint", each)
        if histograms:
            found[name]["histograms_ns"] = histograms_ns(series[name])
    return found


def _transactions(
    part: Record, percentiles: Collection[str], *, histograms: bool
) -> dict[str, TransactionMetrics]:
    found = transactions(part, percentiles=percentiles)
    if histograms:
        for name, series in part.transactions_of("main").items():
            found[name]["histograms_ns"] = transaction_histograms_ns(series)
    return found


def _start_delay_p99_ms(stats: Iterable[ScenarioStats]) -> float:
    return max((process.start_delay_ms.p99 for process in stats), default=0.0)


def _reasons(
    name: str, evidence: ValidityInput, whole: PhaseMetrics, stats: list[ScenarioStats]
) -> list[Reason]:
    own = replace(
        evidence,
        requests=whole["total_requests"],
        disconnected=disconnected(whole["errors"]["kinds"]),
        wrong_responses=wrong_responses(whole["errors"]["kinds"]),
        failed=sum(whole["errors"]["kinds"].values()),
        dropped=sum(process.dropped for process in stats),
        start_delay_p99_ms=_start_delay_p99_ms(stats),
        p95_ms=whole["latency_ms"]["p95"],
    )
    return [
        replace(reason, message=f"scenario {name}: {reason.message}")
        for reason in check_timeliness(own)
    ]
