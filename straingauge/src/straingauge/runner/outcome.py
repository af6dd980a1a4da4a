"""The outcome of a load: its judged result, in a file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from straingauge.errors import CriticalVerdict, InvalidRun, TargetError
from straingauge.result.assembly import compose, conclude
from straingauge.result.format import WriteError, write
from straingauge.result.format.result import FollowUpSections, Measurements, Result
from straingauge.verdict import Finding, Thresholds, Verdict
from straingauge.workers import MergedReports

FollowUp = Callable[[Result], FollowUpSections]
"""Examines the service after the load, if the judged result calls for it.

It returns sections to add to the result, from which the diagnosis is then made again; none if there
is nothing to examine. It must not raise because of the service: what is missing is a note in its
section.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judged load.

    Attributes:
        result: The result, including its verdict.
        verdict: The verdict.
        path: The result file; None if it could not be written.
        problem: Why it could not be written.
    """

    result: Result
    verdict: Verdict
    path: Path | None
    problem: WriteError | None = None

    @property
    def exit_code(self) -> int:
        """Exit code of the command line; see `straingauge.errors`."""
        if any(reason["reason"] == "setup_failed" for reason in self.result["validity"]["reasons"]):
            return TargetError.exit_code
        if self.verdict.grade == "invalid":
            return InvalidRun.exit_code
        if self.verdict.failed:
            return CriticalVerdict.exit_code
        return self.problem.exit_code if self.problem else 0


def conclude_run(
    merged: MergedReports,
    thresholds: Thresholds,
    *,
    ended: str | None = None,
    follow_ups: Sequence[FollowUp] = (),
) -> Outcome:
    """Judge a load by what is known of it, and write its result file.

    Args:
        merged: The reports, including the run's metadata.
        thresholds: Thresholds that the result is judged by.
        ended: Why the load ended early, if it did.
        follow_ups: See `FollowUp`.
    """
    metadata = merged.metadata
    assert metadata is not None
    return write_outcome(
        compose(merged, ended=ended),
        thresholds,
        metadata.results_dir,
        required_endpoints=metadata.required_endpoints,
        follow_ups=follow_ups,
    )


def write_outcome(
    result: Measurements,
    thresholds: Thresholds,
    results_dir: Path,
    *,
    findings: Iterable[Finding] = (),
    required_endpoints: Sequence[str] = (),
    follow_ups: Sequence[FollowUp] = (),
) -> Outcome:
    """Judge a result, and write its file.

    Args:
        result: The result, without a verdict.
        thresholds: Thresholds that the result is judged by.
        results_dir: Folder of the result file.
        findings: Findings of the test itself.
        required_endpoints: Endpoints that must have been called.
        follow_ups: See `FollowUp`.
    """
    findings = list(findings)
    judged, verdict = conclude(result, thresholds, findings, required=required_endpoints)
    for follow_up in follow_ups:
        if sections := follow_up(judged):
            result = cast("Measurements", {**result, **sections})
            judged, verdict = conclude(result, thresholds, findings, required=required_endpoints)
    try:
        return Outcome(judged, verdict, write(judged, results_dir))
    except WriteError as error:
        return Outcome(judged, verdict, None, error)
