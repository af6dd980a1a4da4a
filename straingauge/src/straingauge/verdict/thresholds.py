"""thresholds.toml: what is demanded, of whom, read with errors that say what to mend.

Grammar:
    [all]                    demanded of every run as a whole
    [test.NAME]              demanded of run NAME as a whole; wins over [all]
    [endpoint."GET /path"]   demanded of that endpoint in every run that calls it
    METRIC = { target = 1, warning = 5, critical = 10 }
"""

import difflib
import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.verdict.grade import Threshold
from straingauge.verdict.metrics import METRICS

Demands = Mapping[str, Threshold]
"""Metric name -> what is demanded of it."""

LOCUST: Final = "metrics"
"""The name of Locust's runs, which are judged by the same file as a module's load tests."""

_LEVELS = ("target", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Everything one file demands."""

    source: str
    overall: Demands
    tests: Mapping[str, Demands]
    endpoints: Mapping[str, Demands]

    @classmethod
    def read(cls, path: Path) -> "Thresholds":
        """Read and check a file.

        Raises:
            UsageError: No such file, no TOML, or a key or value that means nothing.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UsageError(
                f"{path}: cannot read the thresholds: {error.strerror}",
                hint="name the file with --thresholds FILE (pytest: --load-thresholds FILE)",
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: not valid TOML: {error}") from error
        return cls.parse(content, source=str(path))

    @classmethod
    def parse(cls, content: Mapping[str, Any], *, source: str) -> "Thresholds":
        """Make thresholds of decoded TOML; raises UsageError as `read` does."""
        for table in content:
            _known(table, ("all", "test", "endpoint"), f"{source}: [{table}]", "table")
        return cls(
            source=source,
            overall=_demands(content.get("all", {}), f"{source}: [all]", per_endpoint=False),
            tests=_named(content, "test", source, per_endpoint=False),
            endpoints=_named(content, "endpoint", source, per_endpoint=True),
        )

    def check_names(self, *, tests: Collection[str], endpoints: Collection[str]) -> None:
        """Refuse a table for a test or endpoint there is not: it would never be judged.

        Args:
            tests: Run names that exist; empty: not known, nothing is refused.
            endpoints: Endpoint names that are called; empty: not known, nothing is refused.

        Raises:
            UsageError: Naming the table and the nearest name that does exist.
        """
        for kind, demanded, known in (
            ("test", self.tests, tests),
            ("endpoint", self.endpoints, endpoints),
        ):
            for name in demanded if known else ():
                _known(name, known, f'{self.source}: [{kind}."{name}"]', kind)

    def for_run(self, name: str) -> Demands:
        """What is demanded of the run `name` as a whole."""
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
) -> Mapping[str, Demands]:
    tables = content.get(kind, {})
    if not isinstance(tables, Mapping):
        raise UsageError(f'{source}: {kind} must be tables: write [{kind}."NAME"]')
    return {
        name: _demands(table, f'{source}: [{kind}."{name}"]', per_endpoint=per_endpoint)
        for name, table in tables.items()
    }


def _demands(table: object, where: str, *, per_endpoint: bool) -> Demands:
    if not isinstance(table, Mapping):
        raise UsageError(f"{where} must be a table of metrics")
    metrics = [name for name, metric in METRICS.items() if metric.per_endpoint or not per_endpoint]
    for name in table:
        _known(name, metrics, f"{where} {name}", "metric here")
    return {name: _limits(name, value, f"{where} {name}") for name, value in table.items()}


def _limits(metric: str, value: object, where: str) -> Threshold:
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
    limits = Threshold(value["target"], value["warning"], value["critical"], higher)
    if not limits.in_order:
        order = "target >= warning >= critical" if higher else "target <= warning <= critical"
        raise UsageError(
            f"{where}: must be in order, {order} ({'higher' if higher else 'lower'} is better)"
        )
    return limits
