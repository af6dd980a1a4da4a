"""The service's processes, found by the port they listen on, and their memory, CPU and files."""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from straingauge.http.own_address import is_own_address
from straingauge.observe.cpu_waits import CpuWaits
from straingauge.observe.process_table import ProcessTable
from straingauge.process_start import process_age_s

_Connection = Any  # psutil: system-wide and per-process ones are two types with the same fields
FIND_EVERY = 10  # samples; it scans all processes of the machine
USS_EVERY = 10  # samples; it makes the kernel walk the process's pages, RSS does not
# Where connections to "any address" go.
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not bound to
SETTLED_S = 1.0  # a child has its parent's sockets until it executes another program


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """The service's processes at one instant, summed.

    *Serving* processes hold the listening socket; *helpers* are their children that do not, such as
    a job worker: their memory is counted apart.

    Attributes:
        cpu_wait_s, busiest_s: See `straingauge.observe.cpu_waits`; None if unknown.
        started, exited: Serving processes that started and exited since the first sample.
        family: All of them, helpers included.
    """

    pids: tuple[int, ...]
    rss_bytes: int
    uss_bytes: int | None
    cpu_s: float
    cpu_wait_s: float | None
    busiest_s: float | None
    threads: int
    open_files: int
    helper_rss_bytes: int
    helpers: int
    started: int
    exited: int
    family: frozenset[int]


class ServiceProcesses:
    """Observe the process tree behind one port.

    Args:
        base_url: The URL of the service.
        server_pid: Its parent process, if it cannot be found by its port (as behind a proxy).

    Attributes:
        unavailable: Why the processes cannot be observed; None if they can.
        is_remote: The service runs on another machine.
    """

    def __init__(self, base_url: str, server_pid: int | None = None) -> None:
        self._host = urlsplit(base_url).hostname or "localhost"
        self._port = port_of(base_url)
        parts = urlsplit(base_url)
        self._socket_file = parts.path if parts.scheme == "unix" else None
        self._kind = "tcp" if self._socket_file is None else "unix"
        self._server_pid = server_pid
        self._listens_at: str | None = None  # of several listeners on the port, the one under load
        self._samples = 0
        self._root: psutil.Process | None = None
        self._serving: dict[int, bool] = {}
        self._workers: frozenset[int] | None = None
        self._started = self._exited = 0
        self._cpu_waits = CpuWaits()
        self.unavailable: str | None = None
        self.is_remote = False
        self._find()

    @property
    def root(self) -> psutil.Process | None:
        """The topmost process of the service; None if it cannot be observed."""
        return self._root

    @property
    def started(self) -> int:
        """Serving processes that started since `begin`."""
        return self._started

    @property
    def exited(self) -> int:
        """Serving processes that exited since `begin`, also if none is left."""
        return self._exited

    def begin(self) -> None:
        """Start the load: forget processes that started and exited so far."""
        self._started = self._exited = 0

    def sample(self, table: ProcessTable) -> ProcessSample | None:
        """Return a sample; None if the service cannot be observed, see `unavailable`.

        Args:
            table: All processes of the machine; it may be seconds old.
        """
        self._samples += 1
        gone = self._root is None or _has_exited(self._root.pid)
        if gone and self._workers is not None:
            self._count([])
        if gone and self._samples % FIND_EVERY == 1:
            self._find()
        if self._root is None:
            return None
        family = table.family(self._root.pid) or [self._root.pid]
        serving, helpers = self._serving_and_helpers(family)
        with_uss = self._samples % USS_EVERY == 1
        seen = [usage for process in serving for usage in _usage(process, uss=with_uss)]
        self._count(serving)
        waits = self._cpu_waits.sample([process.pid for process in serving])
        if not seen:
            return None
        return ProcessSample(
            pids=tuple(process.pid for process in serving),
            rss_bytes=sum(each.rss_bytes for each in seen),
            uss_bytes=sum(each.uss_bytes for each in seen) if with_uss else None,
            cpu_s=sum(each.cpu_s for each in seen),
            cpu_wait_s=waits.waited_s if waits else None,
            busiest_s=waits.busiest_s if waits else None,
            threads=sum(each.threads for each in seen),
            open_files=sum(each.open_files for each in seen),
            helper_rss_bytes=sum(f.rss_bytes for p in helpers for f in _usage(p, uss=False)),
            helpers=len(helpers),
            started=self._started,
            exited=self._exited,
            family=frozenset(family),
        )

    def _count(self, serving: Sequence[psutil.Process]) -> None:
        """Count the workers that started and exited."""
        known = self._workers
        now = frozenset(p.pid for p in serving if known is None or _is_settled(p))
        if known is not None:
            gone = {pid for pid in known - now if _has_exited(pid)}
            self._started += len(now - known)
            self._exited += len(gone)
            now |= known - gone
        self._workers = now

    def _find(self) -> None:
        self._root = None
        self._listens_at = None
        self._serving.clear()
        if self._server_pid is not None:
            self._take(self._server_pid)
            return
        self.is_remote = self._socket_file is None and not is_here(self._host)
        if self.is_remote:
            where = f"the service runs on another machine ({self._host})"
            self.unavailable = f"{where}: its processes cannot be observed"
            return
        try:
            listening: list[_Connection] = [
                connection
                for connection in psutil.net_connections(self._kind)
                if self._is_listening(connection)
            ]
        except psutil.AccessDenied:
            self.unavailable = "no permission to find the process that listens on the port"
            return
        if self._socket_file is None:
            self._listens_at = listening_address(self._host, [each.laddr.ip for each in listening])
        pids = [
            each.pid
            for each in listening
            if each.pid is not None
            and (self._socket_file is not None or each.laddr.ip == self._listens_at)
        ]
        if not pids:
            where = self._socket_file or f"port {self._port}"
            self.unavailable = f"no process of this user listens on {where}"
            return
        with contextlib.suppress(
            psutil.NoSuchProcess
        ):  # exited meanwhile: the next sample searches again
            self._root = self._topmost(psutil.Process(pids[0]))
            self.unavailable = None

    def _take(self, pid: int) -> None:
        try:
            self._root = psutil.Process(pid)
            self.unavailable = None
        except psutil.NoSuchProcess:
            self.unavailable = f"there is no process {pid} (--server-pid)"

    def _topmost(self, process: psutil.Process) -> psutil.Process:
        """Return the topmost ancestor that holds the socket: the parent of several workers."""
        parent = process.parent()
        while parent is not None and self._listens(parent):
            process, parent = parent, parent.parent()
        return process

    def _serving_and_helpers(
        self, family: Sequence[int]
    ) -> tuple[list[psutil.Process], list[psutil.Process]]:
        """Return the serving processes and the helpers; all are serving if none seems to be."""
        serving: list[psutil.Process] = []
        helpers: list[psutil.Process] = []
        for pid in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if _has_exited(pid):
                    continue
                serves = self._listens(process) or (
                    self._root is not None and process.pid == self._root.pid
                )
                (serving if serves else helpers).append(process)
        if self._server_pid is not None and not any(map(self._listens, serving)):
            return serving + helpers, []
        return serving, helpers

    def _listens(self, process: psutil.Process) -> bool:
        known = self._serving.get(process.pid)
        if known is not None:
            return known
        try:
            connections = process.net_connections(self._kind)
            settled = _is_settled(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        listens = any(map(self._is_listening, connections))
        if settled:
            self._serving[process.pid] = listens
        return listens

    def _is_listening(self, connection: _Connection) -> bool:
        if self._socket_file is not None:
            return bool(connection.laddr == self._socket_file)
        return bool(
            connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr.port == self._port
            and self._listens_at in (None, connection.laddr.ip)
        )


@dataclass(frozen=True, slots=True)
class _Usage:
    rss_bytes: int
    uss_bytes: int
    cpu_s: float
    threads: int
    open_files: int


def _usage(process: psutil.Process, *, uss: bool) -> Iterator[_Usage]:
    """Yield the usage of a process; nothing if it has just exited or is not accessible."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
        cpu = process.cpu_times()
        yield _Usage(
            rss_bytes=process.memory_info().rss,
            uss_bytes=process.memory_full_info().uss if uss else 0,
            cpu_s=cpu.user + cpu.system,
            threads=process.num_threads(),
            open_files=process.num_fds() if hasattr(process, "num_fds") else 0,
        )


def _has_exited(pid: int) -> bool:
    """Return true if a process is gone, or its parent has only not yet taken its exit code."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _is_settled(process: psutil.Process) -> bool:
    """It is old enough to have executed its program."""
    try:
        return process_age_s(process.pid) > SETTLED_S
    except psutil.NoSuchProcess:
        return False


def port_of(base_url: str) -> int:
    """Return the port of a URL; 0 of a socket file."""
    parts = urlsplit(base_url)
    if parts.scheme == "unix":
        return 0
    return parts.port or (443 if parts.scheme == "https" else 80)


def listening_address(host: str, listening: Sequence[str]) -> str | None:
    """Return the address of several listeners on one port to which a host's connections go.

    The kernel prefers a listener on the address itself to one on all addresses, and one on all IPv4
    addresses to one on all of both families.

    Args:
        host: The host; its addresses are tried in the order of the resolver, as the load does.
        listening: Addresses of the listeners.
    """
    try:
        resolved = [str(info[4][0]) for info in socket.getaddrinfo(host, None)]
    except OSError:
        resolved = []
    for ip in dict.fromkeys(_LOOPBACK.get(each, each) for each in resolved):
        any_v4 = () if ":" in ip else ("0.0.0.0",)  # noqa: S104  compared, not bound to
        for candidate in (ip, f"::ffff:{ip}", *any_v4, "::"):
            if candidate in listening:
                return str(candidate)
    return None


def is_here(host: str) -> bool:
    """Return True if `host` is an address of this machine."""
    try:
        resolved = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return any(map(is_own_address, resolved))
