"""Locations of what a service still has after a load: open files, sockets, threads."""

from collections.abc import Callable
from typing import Final

from straingauge.diagnosis.location import CodeLocation, ProcessLocation
from straingauge.diagnosis.result_view import ResultView, number

THREADS: Final = "threads "
CLIENTS: Final = "connections of clients"  # they are closed by the clients
MIN_WAITING: Final = 5.0  # threads at one line, on average: fewer are those of an executor
MAX_LOCATIONS: Final = 3


def remaining_files(result: ResultView) -> tuple[ProcessLocation, ...]:
    """Return the kinds of files and sockets that grew most."""
    return _locations(result, lambda kind: not kind.startswith(THREADS) and kind != CLIENTS)


def remaining_threads(result: ResultView) -> tuple[ProcessLocation, ...]:
    """Return the names of the threads that grew most."""
    return _locations(result, lambda kind: kind.startswith(THREADS))


def waiting_threads(result: ResultView) -> tuple[CodeLocation, ...]:
    """Return the line of the service's code in which most threads wait, by the profile."""
    snapshots = result.figure("profile", "snapshots", "count")
    waiting = [row for row in result.rows("profile", "lines") if row.get("state") == "thread"]
    most = max(waiting, key=lambda row: number(row, "own_samples") or 0.0, default=None)
    if most is None or (number(most, "own_samples") or 0.0) < MIN_WAITING * max(1.0, snapshots):
        return ()
    line = int(number(most, "line") or 0)
    return (CodeLocation(str(most.get("file")), line, str(most.get("function"))),)


def _locations(result: ResultView, wanted: Callable[[str], bool]) -> tuple[ProcessLocation, ...]:
    found = []
    for row in result.rows("resources", "cooldown", "remaining"):
        kind, pid = str(row.get("kind")), number(row, "pid")
        if wanted(kind):
            before, after = (number(row, key) or 0.0 for key in ("before", "after"))
            resource = f"{after - before:,.0f} more {kind}"
            process = str(row.get("process"))
            found.append(ProcessLocation(process, None if pid is None else int(pid), resource))
    return tuple(found[:MAX_LOCATIONS])
