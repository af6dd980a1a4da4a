"""Threshold files (thresholds.toml).

Grammar:
    [all]                    for every run as a whole
    [test.NAME]              for the run NAME as a whole; overrides [all]
    [endpoint."GET /path"]   for this endpoint in every run that calls it
    [transaction.NAME]       for this transaction in every run that has it
    [scenario.NAME]          for this scenario, likewise
    [tag.NAME]               for all scenarios with this tag, taken together
    METRIC = { target = 1, warning = 5, critical = 10 }
    METRIC = { target = 1, warning = 5, critical = 10, abort = true, window = "10s", after = "30s" }

METRIC is one of `straingauge.verdict.metrics`. Where lower is better, a value up to `target`
passes, one from `warning` on warns, and one from `critical` on fails the run; where higher is
better, one from `target` on passes, one down to `warning` warns, and one below `critical` fails.

With `abort = true`, a run whose value over the last `window` (10 s by default) is critical ends at
once, but not in its first `after` (0 s by default). What it measured until then is judged, and the
verdict is critical. Too few requests in a window have no value: a percentile needs one beyond it
(p95 20 requests, p99 100), a rate of errors 5. A dead service, for example, ends a run with
    unanswered_rate_percent = { target = 0, warning = 1, critical = 100, abort = true }
"""

import difflib
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.text_file import parse_toml, read_text
from straingauge.time_text import parse_time
from straingauge.toml_lines import TomlLines
from straingauge.verdict.grade import DEFAULT_WINDOW_S, AbortRule, Threshold
from straingauge.verdict.metric import Metric
from straingauge.verdict.metric_families import EXAMPLES
from straingauge.verdict.metrics import METRICS, Part, find_metric, metric_of

ByMetric = Mapping[str, Threshold]
"""Thresholds by the id of their metric."""

LOCUST: Final = "metrics"
"""The name of Locust's runs, which use the same file as the load tests of a module."""

MAX_WINDOW_S: Final = 600.0
"""A longer window would hardly end a run earlier than its own end."""

LEVELS = ("target", "warning", "critical")
ABORT_KEYS = ("abort", "window", "after")
BEFORE_DOT: Final = re.compile(r"p\d{1,2}")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a threshold file.

    Attributes:
        source: The file, or where else the thresholds come from.
        lines: The lines of the file; None if they do not come from one.
        path: The keys that lead to the place.
    """

    source: str
    lines: TomlLines | None = None
    path: tuple[str, ...] = ()

    def at(self, *keys: str) -> "Place":
        """Return a place inside this one."""
        return replace(self, path=(*self.path, *keys))

    def __str__(self) -> str:
        line = self.lines.line(*self.path) if self.lines else None
        where = self.source if line is None else f"{self.source}, line {line}"
        if not self.path:
            return where
        depth = 1 if self.path[0] == "all" else 2
        kind, *name = self.path[:depth]
        table = f"[{kind}]" if not name else f'[{kind}."{name[0]}"]'
        rest = self.path[depth:]
        return f"{where}: {table}{' ' if rest else ''}{'.'.join(rest)}"


def thresholds_file(named: Path | None, test_file: Path) -> Path | None:
    """Return the named threshold file, or `thresholds.toml` next to a test if there is one."""
    default = test_file.with_name("thresholds.toml")
    if named is None and not default.exists():
        return None
    return named or default


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The content of a threshold file."""

    place: Place
    overall: ByMetric
    tests: Mapping[str, ByMetric]
    endpoints: Mapping[str, ByMetric]
    parts: Mapping[Part, ByMetric]

    @classmethod
    def read(cls, path: Path | None) -> "Thresholds":
        """Read and check a threshold file; without a path there are no thresholds.

        Raises:
            UsageError: The file does not exist, is not TOML, or has an unknown key or value.
        """
        if path is None:
            return cls.parse({}, source="no thresholds")
        hint = "name the file with --thresholds FILE (pytest and Locust: --load-thresholds FILE)"
        text = read_text(path, hint=hint)
        content = parse_toml(text, path)
        return cls._parse(content, Place(str(path), TomlLines(text)))

    @classmethod
    def parse(cls, content: Mapping[str, Any], *, source: str) -> "Thresholds":
        """Parse decoded TOML; raise UsageError as `read` does."""
        return cls._parse(content, Place(source))

    @classmethod
    def _parse(cls, content: Mapping[str, Any], place: Place) -> "Thresholds":
        for table in content:
            _known(table, ("all", "test", "endpoint", *PARTS), place.at(table), "table")
        overall = _by_metric(content.get("all", {}), place.at("all"), any_metric)
        return cls(
            place=place,
            overall=overall,
            tests=_named(content, place.at("test"), any_metric),
            endpoints=_named(content, place.at("endpoint"), of_endpoint),
            parts={
                (section, name): table
                for kind, (section, is_known) in PARTS.items()
                for name, table in _named(content, place.at(kind), is_known).items()
            },
        )

    def check_names(self, *, tests: Collection[str], endpoints: Collection[str]) -> None:
        """Reject tables for unknown tests and endpoints, which would never be checked.

        Args:
            tests: Names of the runs; if empty, they are unknown and nothing is rejected.
            endpoints: Names of the endpoints that are called, likewise.

        Raises:
            UsageError: The message names the table and the most similar known name.
        """
        for kind, tables, known in (
            ("test", self.tests, tests),
            ("endpoint", self.endpoints, endpoints),
        ):
            for name in tables if known else ():
                _known(name, known, self.place.at(kind, name), kind)

    def for_run(self, name: str) -> ByMetric:
        """Return the thresholds of a run as a whole."""
        return {**self.overall, **self.tests.get(name, {})}

    def percentiles(self, name: str) -> tuple[str, ...]:
        """Return the percentiles, such as "p99.9", that the thresholds of a run need."""
        tables = (self.for_run(name), *self.endpoints.values(), *self.parts.values())
        metrics = {metric for table in tables for metric in table}
        return tuple(
            sorted(
                metric_of(name).title for name in metrics if "percentiles" in metric_of(name).path
            )
        )


def _known(name: str, known: Collection[str], where: Place, what: str) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    raise UsageError(
        f"{where}: there is no {what} of that name",
        hint=f'did you mean "{close[0]}"?' if close else f"there are: {', '.join(sorted(known))}",
    )


def _named(
    content: Mapping[str, Any], place: Place, is_known: Callable[[Metric], bool]
) -> Mapping[str, ByMetric]:
    (kind,) = place.path
    tables = content.get(kind, {})
    if not isinstance(tables, Mapping):
        where = replace(place, path=())
        raise UsageError(f'{where}: {kind} must be tables: write [{kind}."NAME"]')
    return {name: _by_metric(table, place.at(name), is_known) for name, table in tables.items()}


def _by_metric(table: object, place: Place, is_known: Callable[[Metric], bool]) -> ByMetric:
    if not isinstance(table, Mapping):
        raise UsageError(f"{place} must be a table of metrics")
    entries = dict(_entries(table))
    for name in entries:
        _require_metric(name, place.at(name), is_known)
    return {name: _threshold(name, value, place.at(name)) for name, value in entries.items()}


def _entries(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a table; TOML reads p99.9_ms without quotes as "9_ms" in "p99"."""
    for name, value in table.items():
        if BEFORE_DOT.fullmatch(name) and isinstance(value, Mapping):
            yield from ((f"{name}.{rest}", inner) for rest, inner in value.items())
        else:
            yield name, value


def any_metric(_: Metric) -> bool:
    """Return whether a run as a whole has it, which is true of all metrics."""
    return True


def of_endpoint(metric: Metric) -> bool:
    """Return whether each endpoint has it."""
    return metric.per_endpoint


def of_transaction(metric: Metric) -> bool:
    """Return whether each transaction has it."""
    return metric.per_transaction


def of_scenarios(metric: Metric) -> bool:
    """Return whether the requests of scenarios are counted for it, which is less than for a run."""
    is_time = "latency_ms" in metric.path
    return is_time or metric.path[1:] in {("throughput_rps",), ("error_rate_percent",)}


PARTS: Final[Mapping[str, tuple[Any, Callable[[Metric], bool]]]] = {
    "transaction": ("transactions", of_transaction),
    "scenario": ("scenarios", of_scenarios),
    "tag": ("tags", of_scenarios),
}


def _require_metric(name: str, place: Place, is_known: Callable[[Metric], bool]) -> None:
    metric = find_metric(name)
    if metric is not None and is_known(metric):
        return
    examples = [each for each in EXAMPLES if is_known(metric_of(each))]
    known = [each for each, metric in METRICS.items() if is_known(metric)]
    _known(name, [*known, *examples], place, "metric here")


def _threshold(metric: str, value: object, where: Place) -> Threshold:
    if not isinstance(value, Mapping) or set(value) - set(ABORT_KEYS) != set(LEVELS):
        raise UsageError(
            f"{where}: needs exactly target, warning and critical",
            hint=f"write {metric} = {{ target = 1, warning = 5, critical = 10 }}; to end a run that"
            ' is critical, add: abort = true, window = "10s", after = "30s"',
        )
    for level in LEVELS:
        number = value[level]
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not math.isfinite(number)
        ):
            raise UsageError(f"{where}.{level}: not a number: {number!r}")
    higher = metric_of(metric).higher_is_better
    abort = _abort_rule(metric, value, where)
    threshold = Threshold(value["target"], value["warning"], value["critical"], higher, abort)
    if not threshold.in_order:
        order = "target >= warning >= critical" if higher else "target <= warning <= critical"
        raise UsageError(
            f"{where}: must be in order, {order} ({'higher' if higher else 'lower'} is better)"
        )
    return threshold


def _abort_rule(metric: str, value: Mapping[str, Any], where: Place) -> AbortRule | None:
    """Return when a critical value ends the run; None if it does not."""
    if not isinstance(value.get("abort", False), bool):
        raise UsageError(f"{where}.abort: not true or false: {value['abort']!r}")
    if not value.get("abort", False):
        for key in {"window", "after"} & set(value):
            raise UsageError(f"{where}.{key}: needs abort = true", hint="add abort = true")
        return None
    if metric_of(metric).whole_run:
        raise UsageError(
            f"{where}: cannot abort a run, since it has a value only for a whole run",
            hint="leave out abort",
        )
    window_s = _seconds(value.get("window", DEFAULT_WINDOW_S), where.at("window"))
    after_s = _seconds(value.get("after", 0), where.at("after"))
    if not 1 <= window_s <= MAX_WINDOW_S:
        raise UsageError(f"{where}.window: must be from 1s to {MAX_WINDOW_S:g}s")
    return AbortRule(window_s, after_s)


def _seconds(value: object, where: Place) -> float:
    """Return the seconds of a time such as "10s" or 10."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = parse_time(str(value)) if is_number or isinstance(value, str) else None
    if seconds is None:
        raise UsageError(f"{where}: not a time: {value!r}", hint='write it like "10s" or "1m30s"')
    return seconds
