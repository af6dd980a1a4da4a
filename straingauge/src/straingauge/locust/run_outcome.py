"""Reasons why a run of this process ends early, or counts in part."""

from dataclasses import dataclass
from typing import Final

from straingauge.errors import StraingaugeError
from straingauge.result.format.reason import Reason, ended_early
from straingauge.workers import Ending

_RESET: Final = Reason(
    "stats_reset",
    "note",
    "the statistics were reset during the run: requests count from then on, and what was observed "
    "of the service and the database is of the whole run",
)


@dataclass(slots=True)
class RunOutcome:
    """Reasons known so far; none in a run that ends when its time is over.

    Attributes:
        setup_error: Why no user could start.
        stopped_early: Why it was stopped before its time.
        aborted: The abort rule that ended it.
        load_end: Why the load test itself ended it, such as a feeder without a further row.
        has_lost_workers: True if none of a master's workers is left.
        was_reset: True if the statistics were reset.
    """

    setup_error: StraingaugeError | None = None
    stopped_early: str | None = None
    aborted: Ending | None = None
    load_end: str | None = None
    has_lost_workers: bool = False
    was_reset: bool = False

    def interrupt(self, planned_s: float | None) -> None:
        """Record that the user stopped a run of a planned duration, unless it has ended."""
        if planned_s is not None and not self.has_ended:
            self.stopped_early = f"interrupted ({planned_s:g} s were planned)"

    @property
    def is_complete(self) -> bool:
        """True unless it was stopped early or could not start."""
        return self.stopped_early is None and self.setup_error is None

    @property
    def has_ended(self) -> bool:
        """True if an abort rule, the load test itself or the end of all workers has ended it."""
        return self.load_end is not None or self.aborted is not None or self.has_lost_workers

    @property
    def notes(self) -> tuple[Reason, ...]:
        """Notes on validity."""
        ended = (ended_early(self.load_end),) if self.load_end else ()
        return (*ended, _RESET) if self.was_reset else ended
