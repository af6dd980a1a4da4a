"""A search for capacity whose process was killed: what is missing of it, and its file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from straingauge.capacity.capacity_run import CapacityRun
from straingauge.capacity.document import document, write_document
from straingauge.number_text import count, plain


@dataclass(frozen=True, slots=True)
class UnfinishedSearch:
    """A search while one of its levels runs; an `Unfinished` of `straingauge.workers.standby`.

    Attributes:
        capacity_run: The levels before it.
        name, unit, started, configuration, near: See `document`.
        folder: Folder of the file.
        level: The level that runs.
        begun_ns: When it began (`time.monotonic_ns`).
    """

    capacity_run: CapacityRun
    name: str
    unit: str
    started: datetime
    configuration: Mapping[str, Any]
    near: Path
    folder: Path
    level: float = 0.0
    begun_ns: int = 0

    def at_level(self, level: float, begun_ns: int) -> Self:
        """Return the search as it is when a level begins, however it goes on."""
        search = replace(self.capacity_run.search, passed=list(self.capacity_run.search.passed))
        so_far = replace(self.capacity_run, search=search, levels=list(self.capacity_run.levels))
        return replace(self, capacity_run=so_far, level=level, begun_ns=begun_ns)

    def lost(self, ended_ns: int, /) -> str:
        """Return in words which level is missing, because the process ended at an instant."""
        seconds = max(ended_ns - self.begun_ns, 0) / 1e9
        is_rate = self.unit == "/s"
        rates = [each.throughput_rps for each in self.capacity_run.levels]
        rate_per_s = self.level if is_rate else max(rates, default=None)
        samples = (
            "an unknown number of samples"
            if rate_per_s is None
            else f"an estimated {count(round(rate_per_s * seconds), 'sample')}"
        )
        level = f"{self.level:g}{'' if is_rate else ' '}{self.unit}"
        return (
            f"the process that searched was killed or has crashed: the level of {level}, begun"
            f" {plain(seconds, 3)} s before, is missing, with {samples}"
        )

    def write_result(self, lost: str, /) -> Path:
        """Write the file of the search.

        Raises:
            WriteError: The file cannot be written.
        """
        self.capacity_run.ended = lost
        found = document(
            self.capacity_run,
            name=self.name,
            unit=self.unit,
            started=self.started,
            configuration=self.configuration,
            near=self.near,
        )
        return write_document(found, self.folder)
