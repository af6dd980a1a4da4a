"""Options of `straingauge replay`, and the load they specify; the same in each process."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from straingauge.cli.journey_file import JourneyFile, load_module
from straingauge.cli.options import RunOptions
from straingauge.errors import UsageError
from straingauge.replay import Change, LogSource, Recording, read_recording
from straingauge.result.format.names import require_name
from straingauge.schedule import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(RunOptions):
    """Options of `straingauge replay`, by their names.

    Attributes:
        source: The log.
        change: The function that changes its requests, as "FILE:FUNCTION"; None for no change.
    """

    source: LogSource
    change: str | None = None

    def __post_init__(self) -> None:
        require_name(self.run_name)

    @property
    def run_name(self) -> str:
        """Name of the run; its result file is named after it."""
        return self.name if self.name is not None else self.source.path.stem

    @property
    def recording(self) -> Recording:
        """The recording, read once in each process; raises UsageError."""
        return _recording(self.source, self.change)

    @property
    def user_count(self) -> int:
        """Number of users: of sessions at once, up to a limit."""
        return self.recording.summary.users

    @property
    def preparation_s(self) -> float:
        """Time that each process may take to read the log: several do it at once."""
        return 4 * self.recording.summary.read_s

    def schedule(self, duration_s: float | None = None) -> Schedule:
        """Return the recorded schedule, whose duration is that of the log."""
        del duration_s
        return self.recording.schedule

    def content(self) -> JourneyFile:
        """Return the journeys."""
        return JourneyFile(self.recording.journeys(self.source.path.name))

    def described(self, content: JourneyFile) -> Mapping[str, Any]:
        """Return what the result says of the log."""
        replay = self.recording.summary.as_dict()
        return {**RunOptions.described(self, content), "replay": replay}


@lru_cache(maxsize=1)
def _recording(source: LogSource, change: str | None) -> Recording:
    return read_recording(source, None if change is None else load_change(change))


def load_change(text: str) -> Change:
    """Load the function of `--map FILE:FUNCTION`.

    Raises:
        UsageError: The file cannot be run, or has no such function.
    """
    file, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier() or not file:
        raise UsageError(
            f"--map {text!r} names no function", hint="write FILE:FUNCTION, such as ids.py:renumber"
        )
    function: Change | None = getattr(load_module(Path(file)), name, None)
    if not callable(function):
        raise UsageError(f"--map: {file} has no function {name}")
    return function
