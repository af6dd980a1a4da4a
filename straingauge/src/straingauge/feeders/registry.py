"""The feeders of this process, and the load that they serve."""

import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from straingauge.errors import UsageError
from straingauge.feeders.row_numbers import LocalNumbers, RowNumbers, SharedNumbers
from straingauge.feeders.use import FeederUse

if TYPE_CHECKING:
    from straingauge.feeders.feeder import Feeder

_feeders: "WeakValueDictionary[int, Feeder[Any]]" = WeakValueDictionary()
_numbers: Final = count()
_is_running = False


def register(feeder: "Feeder[Any]") -> int:
    """Add a feeder; return its number, the same in all processes that run the same files.

    Raises:
        UsageError: A load is running, so that other processes may not have it.
    """
    if _is_running:
        raise UsageError(
            f"the feeder of {feeder.path} was made during a load",
            hint="make it at the top of the file with the journeys",
        )
    number = next(_numbers)
    _feeders[number] = feeder
    return number


def number_of_file(path: Path) -> int:
    """Return how many feeders read this file already."""
    return sum(each.path == path for each in _feeders.values())


def begin_load(load_id: str = "", numbers: RowNumbers | None = None) -> None:
    """Begin a load: each feeder begins with the row after those that `account(index)` has used.

    Args:
        load_id: Identifies the load on this machine if several processes share it; else empty.
        numbers: Where numbers come from, if not from this machine.
    """
    global _is_running  # noqa: PLW0603  of this process
    _is_running = True
    if not _feeders:
        return
    if numbers is None:
        shared = Path(tempfile.gettempdir(), f"straingauge-rows-{load_id}")
        numbers = SharedNumbers(shared) if load_id else LocalNumbers()
    for each in _feeders.values():
        each.begin_load(numbers)


def end_load() -> None:
    """End the load, whose uses are kept until the next one begins."""
    global _is_running  # noqa: PLW0603  of this process
    _is_running = False
    for numbers in {id(each.numbers): each.numbers for each in _feeders.values()}.values():
        if numbers is not None:
            numbers.close()
    for each in _feeders.values():
        each.end_load()


def feeder_uses() -> tuple[FeederUse, ...]:
    """Return the use of all feeders in the load, by this process."""
    return tuple(each.use for each in _feeders.values() if each.is_used)
