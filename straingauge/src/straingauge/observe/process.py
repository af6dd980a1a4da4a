"""The service's processes, found by the port they listen on, and what the system knows of them."""

import contextlib
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psutil

from straingauge.observe.process_table import ProcessTable

_Connection = Any  # psutil: system-wide and per-process ones are two types with the same fields
FIND_EVERY = 10  # samples; it looks through all processes of the machine
USS_EVERY = 10  # samples; it makes the kernel walk the process's pages, RSS does not
GROWN_UP_S = 1.0  # a child has its parent's sockets until it begins a program of its own


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """The service's processes at one instant, summed.

    *Serving* processes hold the listening socket; *helpers* are their children that do not (a job
    worker): their memory is not blamed on the service.

    Attributes:
        born, died: Serving processes that have come and gone since the first look.
        family: All of them, helpers included.
    """

    pids: tuple[int, ...]
    rss_bytes: int
    uss_bytes: int | None
    cpu_s: float
    threads: int
    open_files: int
    helper_rss_bytes: int
    helpers: int
    born: int
    died: int
    family: frozenset[int]


class ServiceProcesses:
    """Watches the process tree behind one port.

    Args:
        base_url: Where the service is.
        server_pid: Its topmost process, where the port does not tell (it belongs to a proxy).

    Attributes:
        blind: Why nothing can be seen; None while something is.
        elsewhere: Whether they are on another machine.
    """

    def __init__(self, base_url: str, server_pid: int | None = None) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._server_pid = server_pid
        self._samples = 0
        self._root: psutil.Process | None = None
        self._serving: dict[int, bool] = {}
        self._workers: frozenset[int] | None = None
        self._born = self._died = 0
        self.blind: str | None = None
        self.elsewhere = False
        self._find()

    def begin(self) -> None:
        """Who came and went till now does not count."""
        self._born = self._died = 0

    def sample(self, census: ProcessTable) -> ProcessSample | None:
        """Look once; None when the service cannot be seen, with the reason in `blind`.

        Args:
            census: Who is whose child; seconds old will do.
        """
        self._samples += 1
        gone = self._root is None or not self._root.is_running()
        if gone and self._samples % FIND_EVERY == 1:
            self._find()
        if self._root is None:
            return None
        family = census.family(self._root.pid) or [self._root.pid]
        serving, helpers = self._told_apart(family)
        with_uss = self._samples % USS_EVERY == 1
        seen = [figures for process in serving for figures in _figures(process, uss=with_uss)]
        self._count(serving)
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
            born=self._born,
            died=self._died,
            family=frozenset(family),
        )

    def _count(self, serving: Sequence[psutil.Process]) -> None:
        """Count who is new among the workers, and who is gone."""
        known = self._workers
        now = frozenset(p.pid for p in serving if known is None or _is_grown_up(p))
        if known is not None:
            gone = {pid for pid in known - now if not psutil.pid_exists(pid)}
            self._born += len(now - known)
            self._died += len(gone)
            now |= known - gone
        self._workers = now

    def _find(self) -> None:
        self._root = None
        self._serving.clear()
        if self._server_pid is not None:
            self._take(self._server_pid)
            return
        self.elsewhere = not is_here(self._host)
        if self.elsewhere:
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

    def _take(self, pid: int) -> None:
        try:
            self._root = psutil.Process(pid)
            self.blind = None
        except psutil.NoSuchProcess:
            self.blind = f"there is no process {pid}, which was to be the service's"

    def _topmost(self, process: psutil.Process) -> psutil.Process:
        """The ancestor that still holds the socket: the parent of several workers."""
        parent = process.parent()
        while parent is not None and self._listens(parent):
            process, parent = parent, parent.parent()
        return process

    def _told_apart(
        self, family: Sequence[int]
    ) -> tuple[list[psutil.Process], list[psutil.Process]]:
        """Those that serve, and their helpers; where none is seen to serve, all are taken to."""
        serving: list[psutil.Process] = []
        helpers: list[psutil.Process] = []
        for pid in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                serves = self._listens(process) or process == self._root
                (serving if serves else helpers).append(process)
        if self._server_pid is not None and not any(map(self._listens, serving)):
            return serving + helpers, []
        return serving, helpers

    def _listens(self, process: psutil.Process) -> bool:
        known = self._serving.get(process.pid)
        if known is not None:
            return known
        try:
            connections = process.net_connections("tcp")
            grown_up = _is_grown_up(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        listens = any(map(self._is_listening, connections))
        if grown_up:
            self._serving[process.pid] = listens
        return listens

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


def _is_grown_up(process: psutil.Process) -> bool:
    """Whether it is old enough to be what it is going to be."""
    try:
        return time.time() - process.create_time() > GROWN_UP_S
    except psutil.NoSuchProcess:
        return False


def is_here(host: str) -> bool:
    """Whether `host` is an address of this machine."""
    own: Sequence[str] = [
        address.address for addresses in psutil.net_if_addrs().values() for address in addresses
    ]
    try:
        resolved = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(str(address) in own for address in resolved)
