"""A load whose process was killed: what is missing of it, and its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from straingauge.number_text import count, plain
from straingauge.result.assembly import compose
from straingauge.result.format.reason import Reason
from straingauge.result.format.resources import LocustWorker
from straingauge.result.format.result import Measurements
from straingauge.runner.outcome import write_outcome
from straingauge.verdict import Finding, Thresholds
from straingauge.workers import MergedReports


@dataclass(frozen=True, slots=True)
class UnfinishedLoad:
    """Measurements of a load so far; an `Unfinished` of `straingauge.workers.standby`.

    Attributes:
        merged: The reports, with metadata.
        thresholds: Thresholds to judge by; None: those of the metadata's file.
        notes: Notes on validity.
        workers: When each Locust worker joined and left, and the offset of its clock.
        findings: Findings of the test itself.
    """

    merged: MergedReports
    thresholds: Thresholds | None = None
    notes: Sequence[Reason] = ()
    workers: Mapping[str, LocustWorker] = field(default_factory=dict)
    findings: Sequence[Finding] = ()

    def lost(self, ended_ns: int, /) -> str:
        """Return in words what the reports lack, because the process ended at an instant.

        The processes share a load evenly and report at different instants, so the requests are
        estimated by their common rate, for the time that the report of each lacks.
        """
        merged = self.merged
        reports = {report.process: report for report in merged.reports}.values()
        end_ns = min(ended_ns, merged.load_end_ns or ended_ns)
        start_ns = merged.start_ns or end_ns
        until_ns = [max(report.at_ns, start_ns) for report in reports]
        missing_ns = [max(end_ns - at_ns, 0) for at_ns in until_ns]
        lasted_ns = sum(min(at_ns, end_ns) - start_ns for at_ns in until_ns)
        requests = sum(report.requests for report in reports)
        samples = (
            f"an estimated {count(round(requests * sum(missing_ns) / lasted_ns), 'sample')}"
            if requests and lasted_ns > 0
            else "an unknown number of samples"
        )
        return (
            "the process that ran the load was killed or has crashed: the last"
            f" {plain(max(missing_ns, default=0) / 1e9, 3)} s, with {samples}, are missing"
        )

    def measurements(self, ended: str | None, *, so_far: bool = False) -> Measurements:
        """Compose the result, without a verdict.

        Args:
            ended: Why the load ended early, if it did.
            so_far: Without the endpoints' histograms, which take most time.
        """
        result = compose(self.merged, ended=ended, so_far=so_far)
        result["validity"]["reasons"] += [note.as_dict() for note in self.notes]
        if self.workers:
            result["resources"]["generator"]["workers"] = dict(self.workers)
        return result

    def write_result(self, lost: str, /) -> Path | None:
        """Judge the load by the reports, and write its result.

        Raises:
            WriteError: The result cannot be written.
        """
        metadata = self.merged.metadata
        assert metadata is not None
        outcome = write_outcome(
            self.measurements(lost),
            self.thresholds or Thresholds.read(metadata.thresholds_file),
            metadata.results_dir,
            findings=self.findings,
            required_endpoints=metadata.required_endpoints,
        )
        if outcome.problem is not None:
            raise outcome.problem
        return outcome.path
