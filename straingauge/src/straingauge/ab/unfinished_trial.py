"""A trial whose process was killed: what is missing of it, and its file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from straingauge.ab.document import comparison_of, write_document
from straingauge.ab.trial import Trial
from straingauge.ab.variant import RunningVariant
from straingauge.number_text import count, plain


@dataclass(frozen=True, slots=True)
class UnfinishedTrial:
    """A trial while a part of it runs; an `Unfinished` of `straingauge.workers.standby`.

    Attributes:
        name: Name of the comparison.
        base, head: The builds.
        started, configuration, near, folder: See `write_document`.
        budget_s: Maximum time of all slots.
        margin_percent: Smallest change that counts.
        trial: The measurements before the part.
        begun_ns: When the part began (`time.monotonic_ns`).
    """

    name: str
    base: RunningVariant
    head: RunningVariant
    started: datetime
    configuration: Mapping[str, Any]
    near: Path
    folder: Path
    budget_s: float
    margin_percent: float
    trial: Trial
    begun_ns: int = 0

    def at_part(self, trial: Trial, begun_ns: int) -> Self:
        """Return the trial as it is when a part begins, however it goes on."""
        endpoints = {name: dict(variants) for name, variants in trial.endpoints.items()}
        so_far = replace(trial, endpoints=endpoints, problems=dict(trial.problems))
        return replace(self, trial=so_far, begun_ns=begun_ns)

    def lost(self, ended_ns: int, /) -> str:
        """Return in words which part is missing, because the process ended at an instant."""
        trial = self.trial
        seconds = max(ended_ns - self.begun_ns, 0) / 1e9
        lasted_s = 2 * trial.pairs * trial.slot_s
        total = sum(each.total for both in trial.endpoints.values() for each in both.values())
        samples = (
            f"an estimated {count(round(total / lasted_s * seconds), 'sample')}"
            if lasted_s
            else "an unknown number of samples"
        )
        return (
            "the process that compared was killed or has crashed: the last"
            f" {plain(seconds, 3)} s, with {samples}, are missing"
        )

    def write_result(self, lost: str, /) -> Path:
        """Write the file of the comparison.

        Raises:
            WriteError: The file cannot be written.
        """
        trial = self.trial
        trial.ended = lost
        if trial.pairs:
            trial.changes = trial.evaluate(self.margin_percent, 1.0, self.budget_s)
        return write_document(
            comparison_of(self.name, trial, self.base, self.head),
            trial,
            started=self.started,
            configuration=self.configuration,
            near=self.near,
            folder=self.folder,
        )
