"""The rules that end a run, evaluated over the last seconds of its load.

Pure: the caller says what was counted until which moment, and gets the end, if there is one.
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from straingauge.abort.counts import Counts, Span
from straingauge.number_text import beside, plain
from straingauge.observe import Observations
from straingauge.recording import Record, Series, TransactionSeries
from straingauge.result.assembly.resources import resources
from straingauge.verdict import Threshold, Thresholds, value_of
from straingauge.verdict.floor import ENOUGH_FAILURES
from straingauge.verdict.grade import AbortRule
from straingauge.verdict.metric_families import NO_RESPONSE
from straingauge.verdict.metrics import Part, describe_part, metric_of
from straingauge.workers import Arrivals, Ending, MergedReports

SNAPSHOTS: Final = 10  # in a window: it is at most a tenth longer than it is said to be
DEAD: Final = "unanswered_rate_percent"


@dataclass(frozen=True, slots=True)
class RunTotals:
    """Everything counted in the main phase until an instant.

    Attributes:
        at_s: Seconds after the start of the load.
        endpoints: The measurements of each endpoint.
        transactions: The transactions of each name.
        groups: The measurements of each scenario and tag.
        arrivals: The arrivals of all processes.
        observations: Observations of the service; None if there are none.
        start_ns: Start of the load, an instant of `time.monotonic_ns`.
    """

    at_s: float
    endpoints: Mapping[str, Series]
    transactions: Mapping[str, TransactionSeries] = field(default_factory=dict)
    groups: Mapping[Part, Collection[Series]] = field(default_factory=dict)
    arrivals: Arrivals = field(default_factory=Arrivals)
    observations: Observations | None = None
    start_ns: int = 0

    @classmethod
    def of(cls, merged: MergedReports, record: Record, now_ns: int) -> "RunTotals":
        """Make it of the reports of all processes, and their merged record; the oldest counts."""
        start_ns = merged.start_ns or now_ns
        lost = {each.process for each in merged.lost}
        at_ns = min((r.at_ns for r in merged.reports if r.process not in lost), default=now_ns)
        arrivals = [report.arrivals for report in merged.reports]
        return cls(
            at_s=(at_ns - start_ns) / 1e9,
            endpoints=record.endpoints("main"),
            transactions=record.transactions_of("main"),
            groups=_groups(merged, record),
            arrivals=Arrivals(*(sum(n) for n in zip(*map(_tuple, arrivals), strict=True))),
            observations=next((o for each in merged.reports if (o := each.observations)), None),
            start_ns=start_ns,
        )


_Part = tuple[str, str]
"""A part of the run by the section of its result, or "run", and its name."""

_RUN: Final = ("run", "")


@dataclass(frozen=True, slots=True)
class _Rule:
    metric: str
    endpoint: str
    threshold: Threshold
    abort: AbortRule
    part: Part | None = None
    by_dead_service: bool = False


@dataclass(frozen=True, slots=True)
class _Snapshot:
    at_s: float
    counts: Mapping[_Part, Counts]
    arrivals: Arrivals


_BEFORE: Final = _Snapshot(0.0, {}, Arrivals())


class AbortEvaluator:
    """Evaluates the thresholds of a run that have `abort`.

    Args:
        thresholds: All thresholds.
        name: Name of the run.
        dead_s: End the run after this time without any response; None for no such end.
    """

    def __init__(self, thresholds: Thresholds, name: str, dead_s: float | None = None) -> None:
        tables = [("", thresholds.for_run(name)), *thresholds.endpoints.items()]
        self._rules = [
            _Rule(metric, endpoint, threshold, threshold.abort)
            for endpoint, table in tables
            for metric, threshold in table.items()
            if threshold.abort is not None
        ]
        self._rules += [
            _Rule(metric, "", threshold, threshold.abort, part)
            for part, table in thresholds.parts.items()
            for metric, threshold in table.items()
            if threshold.abort is not None
        ]
        if dead_s is not None:
            always = Threshold(0, 100, 100, higher_is_better=False)
            self._rules.append(_Rule(DEAD, "", always, AbortRule(dead_s), by_dead_service=True))
        self._last_at_s = 0.0
        self._endpoints = {rule.endpoint for rule in self._rules} - {""}
        self._parts = {rule.part for rule in self._rules}
        self._histories = {rule.abort.window_s: deque([_BEFORE]) for rule in self._rules}
        found = {metric_of(rule.metric) for rule in self._rules}
        self._needs_resources = any(metric.path[:1] == ("resources",) for metric in found)
        self._quantiles = {m.title: m.quantile for m in found if m.quantile is not None}

    @property
    def is_needed(self) -> bool:
        """True if there is anything to evaluate."""
        return bool(self._rules)

    def add(self, now: RunTotals) -> Ending | None:
        """Count what was measured until now; return the end of the run if a rule demands it."""
        if not self._rules or now.at_s <= self._last_at_s:
            return None
        self._last_at_s = now.at_s
        latest = _Snapshot(now.at_s, dict(self._counts(now)), now.arrivals)
        windows: dict[float, dict[str, Any] | None] = {}
        for window_s, history in self._histories.items():
            _forget(history, now.at_s - window_s)
            windows[window_s] = self._window(history[0], latest, now, window_s)
            if now.at_s - history[-1].at_s >= window_s / SNAPSHOTS:
                history.append(latest)
        for rule in self._rules:
            window = windows[rule.abort.window_s]
            if window is None or now.at_s < rule.abort.after_s:
                continue
            if ending := _ending(rule, window, now.at_s):
                return ending
        return None

    def _counts(self, now: RunTotals) -> Iterator[tuple[_Part, Counts]]:
        """Yield the counts of the run and of the parts that have rules."""
        yield _RUN, Counts.of(now.endpoints.values())
        for name, series in now.endpoints.items():
            if name in self._endpoints:
                yield ("endpoints", name), Counts.of([series])
        for name, transactions in now.transactions.items():
            if ("transactions", name) in self._parts:
                yield ("transactions", name), Counts.of_transactions(transactions)
        for part, group in now.groups.items():
            if part in self._parts:
                yield part, Counts.of(group)

    def _window(
        self, first: _Snapshot, last: _Snapshot, now: RunTotals, window_s: float
    ) -> dict[str, Any] | None:
        """Return a result of the time between two snapshots; None if it is too short."""
        passed_s = last.at_s - first.at_s
        if passed_s < window_s:
            return None
        spans: dict[str, dict[str, Span]] = {"endpoints": {}}
        for (kind, name), counts in last.counts.items():
            before = first.counts.get((kind, name), Counts())
            spans.setdefault(kind, {})[name] = counts.since(before, passed_s, self._quantiles)
        whole = spans.pop("run")[""]
        return {
            "metrics": whole,
            "errors": whole["errors"],
            "status_codes": whole["status_codes"],
            **spans,
            "resources": self._resources(now, passed_s, whole["total_requests"])
            | {"generator": {"arrivals_percent": _arrivals_percent(first, last)}},
        }

    def _resources(self, now: RunTotals, passed_s: float, requests: int) -> dict[str, Any]:
        """Return what was observed of the service, if a rule is about that."""
        observed = now.observations
        if observed is None or not self._needs_resources:
            return {}
        since_ns = now.start_ns + (now.at_s - passed_s) * 1e9
        samples = [sample for sample in observed.samples if sample["t_ns"] >= since_ns]
        return {**resources(replace(observed, samples=samples, cooldown=[]), {}, requests)}


def _forget(history: deque[_Snapshot], until_s: float) -> None:
    """Remove snapshots that are followed by another one that is old enough."""
    while len(history) > 1 and history[1].at_s <= until_s:
        history.popleft()


def _arrivals_percent(first: _Snapshot, last: _Snapshot) -> float | None:
    """Return the journeys that were started, in percent of the arrivals that were due."""
    due = last.arrivals.due - first.arrivals.due
    started = last.arrivals.started - first.arrivals.started
    return min(100 * started / due, 100.0) if due > 0 else None


def _ending(rule: _Rule, window: Mapping[str, Any], at_s: float) -> Ending | None:
    """Return the end of the run if a value of the window is critical."""
    part = window["endpoints"].get(rule.endpoint) if rule.endpoint else window["metrics"]
    if rule.part is not None:
        part = window.get(rule.part[0], {}).get(rule.part[1])
    metric = metric_of(rule.metric)
    if part is None or (metric.topic == "errors" and part["total_requests"] < ENOUGH_FAILURES):
        return None
    value = value_of(window, rule.metric, rule.endpoint or None, part=rule.part)
    if rule.threshold.grade(value) != "critical" or value is None:
        return None
    last = f"in the last {rule.abort.window_s:g} s"
    if rule.by_dead_service:
        kinds = part["errors"]["kinds"]
        counted = ", ".join(f"{n} {kind}" for kind, n in kinds.items() if n and kind in NO_RESPONSE)
        message = f"the service is dead: no request got a response {last} ({counted})"
        return Ending("dead_service", message, at_s, rule.metric)
    name = rule.endpoint if rule.part is None else describe_part(rule.part)
    subject = f"{name}: {metric.title}" if name else metric.title
    bound = "below" if metric.higher_is_better else "from"
    limit = f"critical {bound} {plain(rule.threshold.critical)} {metric.unit}".rstrip()
    message = (
        f"{subject} {beside(value, rule.threshold.critical)} {metric.unit}".rstrip()
        + f" {last}, {limit}"
    )
    return Ending("threshold", message, at_s, rule.metric, rule.endpoint)


def _groups(merged: MergedReports, record: Record) -> dict[Part, Collection[Series]]:
    """Return the measurements of each scenario, and of all that have a tag."""
    planned = merged.metadata.configuration.get("scenarios") if merged.metadata else None
    names: dict[Part, list[str]] = {}
    for each in planned or ():
        names["scenarios", each["name"]] = [each["name"]]
        for tag in each["tags"]:
            names.setdefault(("tags", tag), []).append(each["name"])
    return {part: record.of_scenarios(of).endpoints("main").values() for part, of in names.items()}


def _tuple(arrivals: Arrivals) -> tuple[int, int, int]:
    return arrivals.started, arrivals.due, arrivals.busy
