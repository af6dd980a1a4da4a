"""The service's processes, found by the port they listen on, and what the system knows of them."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil

_Connection = Any  # psutil: system-wide and per-process ones are two types with the same fields
FIND_EVERY = 10  # samples; it looks through all processes of the machine
USS_EVERY = 10  # samples; it makes the kernel walk the process's pages, RSS does not


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """The service's processes at one instant, summed.

    *Serving* processes hold the listening socket; *helpers* are their children that do not (a job
    worker): their memory is not blamed on the service.
    """

    pids: tuple[int, ...]
    rss_bytes: int
    uss_bytes: int | None
    cpu_s: float
    threads: int
    open_files: int
    helper_rss_bytes: int
    helpers: int


class ServiceProcesses:
    """Watches the process tree behind one port.

    Attributes:
        blind: Why nothing can be seen; None while something is.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._samples = 0
        self._root: psutil.Process | None = None
        self._serving: dict[int, bool] = {}
        self.blind: str | None = None
        self._find()

    def sample(self) -> ProcessSample | None:
        """Look once; None when the service cannot be seen, with the reason in `blind`."""
        self._samples += 1
        gone = self._root is None or not self._root.is_running()
        if gone and self._samples % FIND_EVERY == 1:
            self._find()
        if self._root is None:
            return None
        serving, helpers = self._tree(self._root)
        with_uss = self._samples % USS_EVERY == 1
        seen = [figures for process in serving for figures in _figures(process, uss=with_uss)]
        if not seen:
            return None
        return ProcessSample(
            pids=tuple(process.pid for process in serving),
            rss_bytes=sum(figures.rss_bytes for figures in seen),
            uss_bytes=sum(figures.uss_bytes for figures in seen) if with_uss else None,
            cpu_s=sum(figures.cpu_s for figures in seen),
            threads=sum(figures.threads for figures in seen),
            open_files=sum(figures.open_files for figures in seen),
            helper_rss_bytes=sum(f.rss_bytes for p in helpers for f in _figures(p, uss=False)),
            helpers=len(helpers),
        )

    def _find(self) -> None:
        self._root = None
        self._serving.clear()
        if not _is_here(self._host):
            self.blind = f"{self._host} is another machine: its processes cannot be seen from here"
            return
        try:
            pids = [
                connection.pid
                for connection in psutil.net_connections("tcp")
                if connection.pid is not None and self._is_listening(connection)
            ]
        except psutil.AccessDenied:
            self.blind = "this user may not see which process listens on the service's port"
            return
        if not pids:
            self.blind = f"no process of this user listens on port {self._port}"
            return
        with contextlib.suppress(
            psutil.NoSuchProcess
        ):  # gone meanwhile: looked for again at the next sample
            self._root = self._topmost(psutil.Process(pids[0]))
            self.blind = None

    def _topmost(self, process: psutil.Process) -> psutil.Process:
        """The ancestor that still holds the socket: the parent of several workers."""
        parent = process.parent()
        while parent is not None and self._listens(parent):
            process, parent = parent, parent.parent()
        return process

    def _tree(self, root: psutil.Process) -> tuple[list[psutil.Process], list[psutil.Process]]:
        serving: list[psutil.Process] = [root]
        helpers: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in root.children(recursive=True):
                (serving if self._listens(child) else helpers).append(child)
        return serving, helpers

    def _listens(self, process: psutil.Process) -> bool:
        if process.pid not in self._serving:
            try:
                connections = process.net_connections("tcp")
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                return False
            self._serving[process.pid] = any(map(self._is_listening, connections))
        return self._serving[process.pid]

    def _is_listening(self, connection: _Connection) -> bool:
        return bool(
            connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == self._port
        )


@dataclass(frozen=True, slots=True)
class _Figures:
    rss_bytes: int
    uss_bytes: int
    cpu_s: float
    threads: int
    open_files: int


def _figures(process: psutil.Process, *, uss: bool) -> Iterator[_Figures]:
    """One process's figures; nothing when it has just ended or belongs to somebody else."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
        cpu = process.cpu_times()
        yield _Figures(
            rss_bytes=process.memory_info().rss,
            uss_bytes=process.memory_full_info().uss if uss else 0,
            cpu_s=cpu.user + cpu.system,
            threads=process.num_threads(),
            open_files=process.num_fds() if hasattr(process, "num_fds") else 0,
        )


def _is_here(host: str) -> bool:
    """Whether `host` is an address of this machine."""
    own: Sequence[str] = [
        address.address for addresses in psutil.net_if_addrs().values() for address in addresses
    ]
    try:
        resolved = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(str(address) in own for address in resolved)
