"""Samples taken from this machine: processes, CPU time, the database."""

import contextlib
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import psutil

from straingauge.errors import UsageError
from straingauge.extras import install_command
from straingauge.observe.allowed_cpus import sample_allowed_cpus
from straingauge.observe.database_stats import DatabaseStats
from straingauge.observe.group_limits import LimitSampler
from straingauge.observe.loop_threads import LoopThreads
from straingauge.observe.machine import Machine
from straingauge.observe.network import read_segments
from straingauge.observe.open_resources import Inventory, Remaining, inventory, remaining
from straingauge.observe.postgres_url import check_scheme
from straingauge.observe.process import ProcessSample, ServiceProcesses, is_here, port_of
from straingauge.observe.process_table import ProcessTable
from straingauge.observe.runtime import Language, language_of
from straingauge.observe.same_container import ContainerProcesses
from straingauge.observe.sockets import Calls, ServiceSockets

if TYPE_CHECKING:
    from straingauge.observe.postgres import Database

PROCESS_TABLE_INTERVAL_S = 2.0  # reading all processes costs as much as everything else


class HostSampler:
    """Take the samples of one load.

    Args:
        base_url: The URL of the service.
        database_url: The URL of its database; None if unknown.
        server_pid: Its parent process; None to find it by its port.
    """

    def __init__(self, base_url: str, database_url: str | None, server_pid: int | None) -> None:
        self._processes: ServiceProcesses | None = None
        self._open = partial(ServiceProcesses, base_url, server_pid)
        self._machine = Machine()
        self._limits = LimitSampler()
        self._loop_threads = LoopThreads()
        self._container = ContainerProcesses()
        self._table = ProcessTable({})
        self._counted_s = 0.0
        self._sockets = ServiceSockets(port_of(base_url))
        self._no_database: str | None = None
        self._database = self._open_database(database_url) if database_url else None
        self._postmaster: tuple[int, int] = (0, 0)
        self._postgres_by_name: dict[int, bool] = {}
        self._service: frozenset[int] = frozenset()
        self._serving: tuple[int, ...] = ()
        self._before: Inventory = {}
        self._languages: dict[int, Language | None] = {}

    @property
    def unavailable(self) -> str | None:
        """Why the service's processes cannot be observed; None if they can."""
        return self._processes.unavailable if self._processes else None

    @property
    def neighbours(self) -> Mapping[str, float]:
        """CPU time of other processes in seconds, by name."""
        return self._machine.neighbours

    @property
    def calls(self) -> Mapping[str, Calls]:
        """Calls of the service to other programs, by host and port."""
        return self._sockets.calls

    @property
    def language(self) -> Language | None:
        """Language of the service's process; None if it is not known."""
        root = self._processes.root if self._processes is not None else None
        if root is None:
            return None
        if root.pid not in self._languages:
            self._languages[root.pid] = language_of(root)
        return self._languages[root.pid]

    def begin(self) -> None:
        """Start the load."""
        self._machine.begin()
        self._sockets.begin(self._serving)
        self._loop_threads.begin(self._serving)
        self._before = inventory(self._serving)
        if self._processes is not None:
            self._processes.begin()
        if self._database is not None:
            self._database.begin()

    def refresh(self) -> None:
        """Read all processes with the next sample."""
        self._counted_s = 0.0

    def end(self) -> None:
        """End the load."""
        if self._database is not None:
            self._database.end()

    def remaining(self) -> list[Remaining]:
        """Return what the service has open now beyond what it had at the start of the load."""
        return remaining(self._before, inventory(self._serving))

    def close(self) -> None:
        """Close the connection to the database."""
        if self._database is not None:
            self._database.close()

    def database_stats(self) -> DatabaseStats | None:
        """Return the observations of the database; None without its URL."""
        if self._database is not None:
            return self._database.stats()
        if self._no_database is not None:
            return DatabaseStats(unavailable=(self._no_database,))
        return None

    def sample(self) -> dict[str, float]:
        """Return a sample."""
        fresh = time.monotonic() - self._counted_s >= PROCESS_TABLE_INTERVAL_S
        if fresh:
            self._table, self._counted_s = ProcessTable.snapshot(self._table), time.monotonic()
        if self._processes is None:
            self._processes = self._open()
        sample: dict[str, float] = {}
        seen = self._processes.sample(self._table)
        if seen is not None:
            self._service, self._serving = seen.family, seen.pids
            sample |= _of_processes(seen)
            sample |= self._sockets.sample(seen.pids)
            sample |= self._loop_threads.sample(seen.pids)
            sample |= sample_allowed_cpus(seen.pids)
        elif self._processes.exited:
            sample |= {
                "processes_started": self._processes.started,
                "processes_exited": self._processes.exited,
            }
        if not self._processes.is_remote:
            root = self._processes.root
            sample |= self._limits.sample(root.pid if root is not None else None)
        if self._processes.is_remote:  # on loopback nothing is lost
            sample |= read_segments()
        if self._database is not None:  # it may take seconds to answer
            sample |= self._database.sample()
        if fresh:
            database = self._database_pids()
            sample |= self._machine.sample(self._table, self._own_processes(database), database)
            if seen is None and not self._processes.is_remote:
                del sample["service_family_cpu_s"]  # of unknown processes on this machine
        return sample

    def _own_processes(self, database: set[int]) -> set[int]:
        """Return the service's processes, and others in its container than the database's."""
        root = self._processes.root if self._processes is not None else None
        if root is None:
            return set(self._service)
        beside = self._container.beside(root.pid, self._table.rows.keys())
        return (beside - database) | self._service

    def _open_database(self, url: str) -> "Database | None":
        try:
            check_scheme(url)
            from straingauge.observe.postgres import Database
        except UsageError as error:
            self._no_database = f"the database could not be observed: {error}"
        except ImportError:
            self._no_database = f"the database could not be observed: {install_command('postgres')}"
        else:
            return Database(url)
        return None

    def _database_pids(self) -> set[int]:
        """Return PostgreSQL's processes on this machine: the family of the connection's process.

        If that is unknown (no URL was given, or the server runs in a container with its own process
        ids), all processes with that name count.
        """
        ours = self._database.backend_pid if self._database else None
        if ours is not None and self._postmaster[0] != ours:
            self._postmaster = (ours, self._find_postmaster(ours))
        if self._postmaster[1]:
            return set(self._table.family(self._postmaster[1]))
        return {pid for pid in self._table.rows if self._is_named_postgres(pid)}

    def _find_postmaster(self, ours: int) -> int:
        assert self._database is not None
        host = self._database.host
        if not (host.startswith("/") or is_here(host or "localhost")):
            return 0
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(ours).parent()
            return parent.pid if parent and parent.name().startswith("postgres") else 0
        return 0

    def _is_named_postgres(self, pid: int) -> bool:
        if pid not in self._postgres_by_name:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._postgres_by_name[pid] = psutil.Process(pid).name().startswith("postgres")
        return self._postgres_by_name.get(pid, False)


def _of_processes(seen: ProcessSample) -> dict[str, float]:
    """Return the values of the service's processes that are known."""
    found: dict[str, float | None] = {
        "rss_bytes": seen.rss_bytes,
        "uss_bytes": seen.uss_bytes,
        "cpu_s": seen.cpu_s,
        "cpu_wait_s": seen.cpu_wait_s,
        "busiest_thread_s": seen.busiest_s,
        "threads": seen.threads,
        "open_files": seen.open_files,
        "processes": len(seen.pids),
        "helper_rss_bytes": seen.helper_rss_bytes,
        "helpers": seen.helpers,
        "processes_started": seen.started,
        "processes_exited": seen.exited,
    }
    return {key: value for key, value in found.items() if value is not None}
