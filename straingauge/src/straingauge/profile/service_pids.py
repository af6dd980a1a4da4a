"""The Python processes of a service."""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from straingauge.inside.probe import FOLDER
from straingauge.observe.process import ServiceProcesses
from straingauge.profile.own_code import OwnCode
from straingauge.target.started_service import StartedService

MAX_PROCESSES: Final = 8
_HELPERS: Final = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def service_processes(url: str, server_pid: int | None) -> list[psutil.Process]:
    """Return the processes of a service, the topmost first; empty if they cannot be found."""
    root = ServiceProcesses(url, server_pid).root
    if root is None:
        return []
    with suppress(psutil.NoSuchProcess):
        return [root, *root.children(recursive=True)]
    return []


def python_processes(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return those that run Python."""
    return [each for each in processes if _runs_python(each)]


def serving_processes(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Return the topmost process, or those of its children that have its listening sockets.

    A parent with such children only supervises them.
    """
    root, *others = processes
    sockets = _listening(root)
    return [each for each in others if sockets & _listening(each)] or [root]


def _listening(process: psutil.Process) -> frozenset[object]:
    with suppress(psutil.Error):
        connections = process.net_connections("tcp")
        return frozenset(each.laddr for each in connections if each.status == psutil.CONN_LISTEN)
    return frozenset()


class BusyProcesses:
    """Finds processes that use the CPU.

    Args:
        share: Least CPU time, as a share of one core.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._used: dict[int, tuple[float, float]] = {}  # (instant, CPU time), by process

    def find(self, processes: list[psutil.Process]) -> list[psutil.Process]:
        """Return those that were busy since the last call."""
        return [each for each in processes if self._is_busy(each)]

    def _is_busy(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            used = process.cpu_times()
            now = time.monotonic(), used.user + used.system
            before = self._used.get(process.pid, now)
            self._used[process.pid] = now
            return now[1] - before[1] > self._share * (now[0] - before[0])
        return False


def _runs_python(process: psutil.Process) -> bool:
    with suppress(psutil.Error, OSError):
        if any(helper in word for word in process.cmdline() for helper in _HELPERS):
            return False
        if Path(process.exe()).name.startswith(("python", "pypy")):
            return True
        maps = Path(f"/proc/{process.pid}/maps")
        return maps.exists() and "/libpython" in maps.read_text("utf-8", "replace")
    return False


def own_code(process: psutil.Process) -> OwnCode:
    """Return what recognises the code of a process."""
    with suppress(psutil.Error):
        return OwnCode(process.cwd(), process.cmdline())
    return OwnCode("/")


def service_code(url: str, server_pid: int | None) -> OwnCode:
    """Return what recognises the code of the service at a URL, or of any other."""
    found = service_processes(url, server_pid)
    return own_code(found[0]) if found else OwnCode("/")


def started_code(started: StartedService | None) -> OwnCode:
    """Return what recognises the code of a service that was started here, or of any other."""
    if started is None:
        return OwnCode("/")
    return OwnCode(str(started.config.folder), started.config.command)


def probe_folder(processes: list[psutil.Process]) -> Path | None:
    """Return the folder of the probe that a service stack has set; None if no stack started it."""
    return next(_folders(processes), None)


def _folders(processes: list[psutil.Process]) -> Iterator[Path]:
    for process in processes:
        with suppress(psutil.Error, OSError):
            folder = process.environ().get(FOLDER)
            if folder:
                yield Path(folder)
