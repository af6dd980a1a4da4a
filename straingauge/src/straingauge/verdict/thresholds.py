"""Threshold files (thresholds.toml).

Grammar:
    [all]                    for every run as a whole
    [test.NAME]              for the run NAME as a whole; overrides [all]
    [endpoint."GET /path"]   for this endpoint in every run that calls it
    METRIC = { target = 1, warning = 5, critical = 10 }
"""

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.text_file import read_toml
from straingauge.verdict.grade import Threshold
from straingauge.verdict.metrics import METRICS

ByMetric = Mapping[str, Threshold]
"""Thresholds by the id of their metric."""

LOCUST: Final = "metrics"
"""The name of Locust's runs, which use the same file as the load tests of a module."""

_LEVELS = ("target", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The content of a threshold file."""

    source: str
    overall: ByMetric
    tests: Mapping[str, ByMetric]
    endpoints: Mapping[str, ByMetric]

    @classmethod
    def read(cls, path: Path) -> "Thresholds":
        """Read and check a threshold file.

        Raises:
            UsageError: The file does not exist, is not TOML, or has an unknown key or value.
        """
        hint = "name the file with --thresholds FILE (pytest: --load-thresholds FILE)"
        content = read_toml(path, hint=hint)
        return cls.parse(content, source=str(path))

    @classmethod
    def parse(cls, content: Mapping[str, Any], *, source: str) -> "Thresholds":
        """Parse decoded TOML; raise UsageError as `read` does."""
        for table in content:
            _known(table, ("all", "test", "endpoint"), f"{source}: [{table}]", "table")
        return cls(
            source=source,
            overall=_by_metric(content.get("all", {}), f"{source}: [all]", per_endpoint=False),
            tests=_named(content, "test", source, per_endpoint=False),
            endpoints=_named(content, "endpoint", source, per_endpoint=True),
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
                _known(name, known, f'{self.source}: [{kind}."{name}"]', kind)

    def for_run(self, name: str) -> ByMetric:
        """Return the thresholds of a run as a whole."""
        return {**self.overall, **self.tests.get(name, {})}


def _known(name: str, known: Collection[str], where: str, what: str) -> None:
    if name in known:
        return
    close = difflib.get_close_matches(name, known, n=1)
    raise UsageError(
        f"{where}: there is no {what} of that name",
        hint=f'did you mean "{close[0]}"?' if close else f"there are: {', '.join(sorted(known))}",
    )


def _named(
    content: Mapping[str, Any], kind: str, source: str, *, per_endpoint: bool
) -> Mapping[str, ByMetric]:
    tables = content.get(kind, {})
    if not isinstance(tables, Mapping):
        raise UsageError(f'{source}: {kind} must be tables: write [{kind}."NAME"]')
    return {
        name: _by_metric(table, f'{source}: [{kind}."{name}"]', per_endpoint=per_endpoint)
        for name, table in tables.items()
    }


def _by_metric(table: object, where: str, *, per_endpoint: bool) -> ByMetric:
    if not isinstance(table, Mapping):
        raise UsageError(f"{where} must be a table of metrics")
    metrics = [name for name, metric in METRICS.items() if metric.per_endpoint or not per_endpoint]
    for name in table:
        _known(name, metrics, f"{where} {name}", "metric here")
    return {name: _threshold(name, value, f"{where} {name}") for name, value in table.items()}


def _threshold(metric: str, value: object, where: str) -> Threshold:
    if not isinstance(value, Mapping) or set(value) != set(_LEVELS):
        raise UsageError(
            f"{where}: needs exactly target, warning and critical",
            hint=f"write {metric} = {{ target = 1, warning = 5, critical = 10 }}",
        )
    for level in _LEVELS:
        number = value[level]
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not math.isfinite(number)
        ):
            raise UsageError(f"{where}.{level}: not a number: {number!r}")
    higher = METRICS[metric].higher_is_better
    threshold = Threshold(value["target"], value["warning"], value["critical"], higher)
    if not threshold.in_order:
        order = "target >= warning >= critical" if higher else "target <= warning <= critical"
        raise UsageError(
            f"{where}: must be in order, {order} ({'higher' if higher else 'lower'} is better)"
        )
    return threshold
