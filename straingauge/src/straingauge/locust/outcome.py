"""What a run comes to: its figures put together and judged, while it goes on and at its end."""

import logging
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import locust
from locust.env import Environment

from straingauge import report
from straingauge.errors import StraingaugeError
from straingauge.locust.distributed.process_stats import findings_of, reports_of
from straingauge.locust.user.selection import shape_of
from straingauge.observe import Observations
from straingauge.result.assembly import environment
from straingauge.result.assembly.compose import compose, conclude
from straingauge.runner import outcome
from straingauge.verdict import LOCUST, Finding, Thresholds
from straingauge.verdict.validity import Reason
from straingauge.workers import LostProcess, MergedReports

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """All there is of a run at some time.

    Attributes:
        started_at: ISO 8601, with its offset.
        parts: The message of each process (`locust.distributed.process_stats`), by its name.
        watched: What was seen of the service.
        lost: Workers that went away.
        setup_error: Why the run could not begin.
        ended: Why it ended before its time.
        notes: What else a reader has to know.
        workers: When they came and went, and how their clocks stood.
    """

    started_at: str
    parts: Mapping[str, Mapping[str, Any]]
    watched: Observations | None = None
    lost: tuple[LostProcess, ...] = ()
    setup_error: StraingaugeError | None = None
    ended: str | None = None
    notes: Sequence[Reason] = ()
    workers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that was judged.

    Attributes:
        result: With its verdict.
        path: Its file; None where it could not be written.
        table: Its verdict for the terminal.
        exit_code: What that calls for.
    """

    result: Mapping[str, Any]
    path: Path | None
    table: str
    exit_code: int


class ResultBuilder:
    """Knows what is demanded of a run, and where its result goes.

    Args:
        of: Locust's environment.
        thresholds: What is demanded.
        results: The folder for result files.
        name: The run's, and the stem of its file.
    """

    def __init__(
        self, of: Environment, thresholds: Thresholds, results: Path, name: str = LOCUST
    ) -> None:
        self._of = of
        self._thresholds = thresholds
        self._results = results
        self._name = name

    @cached_property
    def _where(self) -> dict[str, Any]:
        """Asked for late: it takes time, in which a worker would be sent users too soon."""
        where = environment(self._results.parent)
        where["packages"]["locust"] = locust.__version__
        return where

    def prepare(self) -> None:
        """Do what asks for other processes, and so cannot be done in a thread."""
        _ = self._where

    def so_far(self, measured: Measured) -> dict[str, Any]:
        """A run that goes on, judged by what there is of it; without endpoints' histograms."""
        result = self._compose(measured, so_far=True)
        return conclude(result, self._thresholds, self._findings(measured, result))[0]

    def conclude(self, measured: Measured) -> Ended:
        """Judge a run that is over, and write its result."""
        result = self._compose(measured)
        findings = self._findings(measured, result)
        end = outcome.file(result, self._thresholds, self._results, findings=findings)
        if end.problem is not None:
            logger.error("%s; try: %s", end.problem, end.problem.hint)
        width = shutil.get_terminal_size((120, 24)).columns
        shown = [(end.result, end.path)]
        table = report.verdict_table(shown, width=width, colour=sys.stdout.isatty())
        table += "".join(f"{line}\n" for line in report.write_github([end.result]))
        error = measured.setup_error
        return Ended(end.result, end.path, table, error.exit_code if error else end.exit_code)

    def _compose(self, measured: Measured, *, so_far: bool = False) -> dict[str, Any]:
        parts = measured.parts.items()
        reports = [each for name, part in parts for each in reports_of(name, part)]
        reports[0] = replace(reports[0], extra=reports[0].extra | {"watched": measured.watched})
        broken = str(measured.setup_error) if measured.setup_error else None
        plan = self._plan(measured)
        merged = MergedReports(tuple(reports), lost=measured.lost, plan=plan, broken=broken)
        result = compose(merged, ended=measured.ended, so_far=so_far)
        result["validity"]["reasons"] += [note.as_dict() for note in measured.notes]
        if measured.workers:
            result["resources"]["generator"]["workers"] = measured.workers
        return result

    def _plan(self, measured: Measured) -> dict[str, Any]:
        options = self._of.parsed_options
        assert options is not None
        shape = shape_of(self._of)
        users = shape["users"] if shape else options.num_users
        return {
            "name": self._name,
            "started_at": measured.started_at,
            "users": users or 0,
            "configuration": {
                "target": self._of.host,
                "users": users,
                "shape": shape,
                "spawn_rate": options.spawn_rate,
                "run_time_s": options.run_time,
                "tags": options.tags or [],
                "user_classes": {each.__name__: each.weight for each in self._of.user_classes},
            },
            "environment": self._where,
        }

    def _findings(self, measured: Measured, result: Mapping[str, Any]) -> list[Finding]:
        """What tasks found out, and what the classes say of the service."""
        judges = (getattr(each, "judge_service", None) for each in self._of.user_classes)
        return [
            *(found for part in measured.parts.values() for found in findings_of(part)),
            *(found for judge in judges if judge for found in judge(result["resources"])),
        ]
