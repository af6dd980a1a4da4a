"""The result of a Locust run: process reports merged, judged, and written to a file."""

import logging
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import locust
from locust.env import Environment

from straingauge import report
from straingauge.abort import AbortEvaluator
from straingauge.cpus import usable_cpus
from straingauge.errors import StraingaugeError
from straingauge.line_wrap import encodable
from straingauge.locust.distributed.process_stats import (
    findings_from_message,
    reports_from_message,
)
from straingauge.locust.user.selection import get_planned_s, get_shape_configuration
from straingauge.observe import Observations
from straingauge.result.assembly import conclude, environment
from straingauge.result.format.exceptions import RaisedException
from straingauge.result.format.profile import Profile
from straingauge.result.format.reason import Reason
from straingauge.result.format.resources import LocustWorker
from straingauge.result.format.result import Environment as EnvironmentDict
from straingauge.result.format.result import Measurements, Result
from straingauge.runner import FollowUp, write_outcome
from straingauge.runner.unfinished_load import UnfinishedLoad
from straingauge.verdict import LOCUST, Finding, Thresholds
from straingauge.verdict.shared_cpus import shared_cpus_note
from straingauge.verdict.threshold_notes import absent_parts
from straingauge.workers import Ending, LostProcess, MergedReports, RunMetadata
from straingauge.workers.process_report import ProcessReport

if TYPE_CHECKING:
    from straingauge.locust.run_exports import RunExports

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """Everything known about a run at one moment.

    Attributes:
        started: Local time of its start as ISO 8601, and that instant of `time.monotonic_ns`.
        start_ns: Start of the load, which the times of its requests count from, likewise.
        reports: The message of each process (`locust.distributed.process_stats`), by name.
        observations: What was observed of the service.
        profile: The profile of the service.
        exceptions: The exceptions in its log.
        lost: Workers that were lost.
        setup_error: Why the run could not start.
        stopped_early: Why it ended before its time.
        ending: The abort rule that ended it.
        notes: Notes on validity.
        workers: When each worker joined and left, and the offset of its clock.
    """

    started: tuple[str, int]
    start_ns: int
    reports: Mapping[str, ProcessReport]
    observations: Observations | None = None
    profile: Profile | None = None
    exceptions: tuple[RaisedException, ...] = ()
    lost: tuple[LostProcess, ...] = ()
    setup_error: StraingaugeError | None = None
    stopped_early: str | None = None
    ending: Ending | None = None
    notes: Sequence[Reason] = ()
    workers: Mapping[str, LocustWorker] = field(default_factory=dict)

    def reported_ns(self, process: str) -> int:
        """Return the instant of a process's last report; now, if it has reported everything."""
        worker = self.workers.get(process)
        if worker is None or worker["completed_s"] is not None:
            return time.monotonic_ns()
        return self.start_ns + round((worker["last_report_s"] or 0.0) * 1e9)


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that has ended and was judged.

    Attributes:
        result: Its result, with the verdict.
        path: The result file; None if it could not be written.
        verdict_table: The verdict for the terminal.
        exit_code: Exit code of the verdict.
    """

    result: Result
    path: Path | None
    verdict_table: str
    exit_code: int


class ResultBuilder:
    """Builds the results of runs, during and after them.

    Args:
        of: Locust's environment.
        thresholds: Thresholds to judge by.
        folder: Folder for result files.
        name: Name of the run, and stem of its file.
        follow_ups: Examinations of the service after a run.
        exports: Exports of the runs; None of a worker, whose master has them.

    Attributes:
        exports: The same.
    """

    def __init__(
        self,
        of: Environment,
        thresholds: Thresholds,
        folder: Path,
        name: str = LOCUST,
        *,
        follow_ups: Sequence[FollowUp] = (),
        exports: "RunExports | None" = None,
    ) -> None:
        self._of = of
        self._thresholds = thresholds
        self._folder = folder
        self._name = name
        self._follow_ups = follow_ups
        self.exports = exports

    @cached_property
    def _environment(self) -> EnvironmentDict:
        """Read on first use: during start-up, it would delay a worker's registration."""
        found = environment(self._folder.parent)
        found["packages"]["locust"] = locust.__version__
        return found

    def make_abort_evaluator(self, dead_s: float | None) -> AbortEvaluator:
        """Make the evaluator of the rules that may end a run."""
        return AbortEvaluator(self._thresholds, self._name, dead_s)

    def prepare(self) -> None:
        """Start the subprocesses that a result needs, which is not possible in a thread."""
        _ = self._environment

    def build_live(self, snapshot: RunSnapshot) -> Result:
        """Judge a run in progress; without the endpoints' histograms, which take most time."""
        result = self._load(snapshot).measurements(snapshot.stopped_early, so_far=True)
        return conclude(result, self._thresholds, self._findings(snapshot, result))[0]

    def finish(self, snapshot: RunSnapshot) -> FinishedRun:
        """Judge a run that has ended, and write its result."""
        from straingauge.report.terminal import labelled  # imports rich, which a start need not

        result = self._load(snapshot).measurements(snapshot.stopped_early)
        if self.exports is not None and self.exports.is_needed:
            result["exports"] = self.exports.finish(snapshot, self.merge(snapshot))
        findings = self._findings(snapshot, result)
        end = write_outcome(
            result,
            self._thresholds,
            self._folder,
            findings=findings,
            follow_ups=self._follow_ups,
        )
        if end.problem is not None:
            logger.error("%s; try: %s", end.problem, end.problem.hint)
        width = shutil.get_terminal_size((120, 24)).columns
        shown = [(end.result, end.path)]
        is_terminal = sys.stdout.isatty()
        table = report.verdict_table(shown, width=width, colour=is_terminal, wrap=is_terminal)
        # The results of Locust have no scenarios and no tags.
        notes = (labelled("note", each) for each in absent_parts(self._thresholds, end.result))
        table += "".join(f"{line}\n" for line in (*notes, *report.write_github([end.result])))
        error = snapshot.setup_error
        table = encodable(table, sys.stdout.encoding)
        return FinishedRun(end.result, end.path, table, error.exit_code if error else end.exit_code)

    def unfinished(self, snapshot: RunSnapshot) -> UnfinishedLoad:
        """Return everything that a second process needs to write the result."""
        load = self._load(snapshot)
        reports = (
            replace(report, at_ns=snapshot.reported_ns(report.process))
            for report in load.merged.reports
        )
        merged = replace(load.merged, reports=tuple(reports))
        return replace(load, merged=merged, findings=_findings_of_tasks(snapshot))

    def merge(self, snapshot: RunSnapshot) -> MergedReports:
        """Return the reports of all processes; a process may have several, which add up."""
        messages = snapshot.reports.items()
        reports = [
            each for name, message in messages for each in reports_from_message(name, message)
        ]
        reports[0] = replace(
            reports[0],
            observations=snapshot.observations,
            profile=snapshot.profile,
            exceptions=snapshot.exceptions,
        )
        return MergedReports(
            tuple(reports),
            lost=snapshot.lost,
            metadata=self._metadata(snapshot),
            abort_reason=str(snapshot.setup_error) if snapshot.setup_error else None,
            abort_hint=snapshot.setup_error.hint if snapshot.setup_error else None,
            start_ns=snapshot.start_ns,
            ending=snapshot.ending,
        )

    def _load(self, snapshot: RunSnapshot) -> UnfinishedLoad:
        processes = self._of.parsed_options.processes if self._of.parsed_options else None
        notes = [*snapshot.notes, *shared_cpus_note(processes or 1, usable_cpus())]
        return UnfinishedLoad(self.merge(snapshot), self._thresholds, notes, snapshot.workers)

    def _metadata(self, snapshot: RunSnapshot) -> RunMetadata:
        options = self._of.parsed_options
        assert options is not None
        shape = get_shape_configuration(self._of)
        users = shape["users"] if shape else options.num_users
        return RunMetadata(
            name=self._name,
            started_at=snapshot.started[0],
            started_ns=snapshot.started[1],
            users=users or 0,
            duration_s=get_planned_s(self._of),
            results_dir=self._folder,
            configuration={
                "target": self._of.host,
                "users": users,
                "shape": shape,
                "spawn_rate": options.spawn_rate,
                "run_time_s": options.run_time,
                "tags": options.tags or [],
                "user_classes": {each.__name__: each.weight for each in self._of.user_classes},
            },
            environment=self._environment,
            percentiles=self._thresholds.percentiles(self._name),
        )

    def _findings(self, snapshot: RunSnapshot, result: Measurements) -> list[Finding]:
        """Findings of the tasks, and of the user classes' checks of the service's resources."""
        checks = (getattr(each, "check_resources", None) for each in self._of.user_classes)
        return [
            *_findings_of_tasks(snapshot),
            *(found for check in checks if check for found in check(result["resources"])),
        ]


def _findings_of_tasks(snapshot: RunSnapshot) -> list[Finding]:
    messages = snapshot.reports.values()
    return [each for message in messages for each in findings_from_message(message)]
