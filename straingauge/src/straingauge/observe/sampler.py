"""All that is looked at from this machine: processes, CPU time, the database."""

import contextlib
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import psutil

from straingauge.observe.database_stats import DatabaseStats
from straingauge.observe.machine import Machine
from straingauge.observe.process import ServiceProcesses, is_here
from straingauge.observe.process_table import ProcessTable

if TYPE_CHECKING:
    from straingauge.observe.postgres import Database

CENSUS_S = 2.0  # a pass over all processes costs as much as all the rest


class HostSampler:
    """One look after the other, for one load.

    Args:
        base_url: Where the service is.
        database_url: Its database, if one was named.
        server_pid: Its topmost process, if it was named.
    """

    def __init__(self, base_url: str, database_url: str | None, server_pid: int | None) -> None:
        self._processes: ServiceProcesses | None = None
        self._open = partial(ServiceProcesses, base_url, server_pid)
        self._machine = Machine()
        self._census = ProcessTable({})
        self._counted_s = 0.0
        self._no_driver: str | None = None
        self._database = self._open_database(database_url) if database_url else None
        self._postmaster: tuple[int, int] = (0, 0)
        self._called_postgres: dict[int, bool] = {}
        self._service: frozenset[int] = frozenset()

    @property
    def blind(self) -> str | None:
        """Why the service's processes are not seen."""
        return self._processes.blind if self._processes else None

    @property
    def neighbours(self) -> Mapping[str, float]:
        """CPU time of others, in seconds, by name."""
        return self._machine.neighbours

    def begin(self) -> None:
        """The load begins now."""
        self._machine.begin()
        if self._processes is not None:
            self._processes.begin()
        if self._database is not None:
            self._database.begin()

    def hurry(self) -> None:
        """Look at all with the next look."""
        self._counted_s = 0.0

    def end(self) -> None:
        """The load is over."""
        if self._database is not None:
            self._database.end()

    def close(self) -> None:
        """Give back what was opened."""
        if self._database is not None:
            self._database.close()

    def database_seen(self) -> DatabaseStats | None:
        """What was seen of the database; None when none was named."""
        if self._database is not None:
            return self._database.seen()
        if self._no_driver is not None:
            return DatabaseStats(missing=(self._no_driver,))
        return None

    def sample(self) -> dict[str, float]:
        """Look once."""
        fresh = time.monotonic() - self._counted_s >= CENSUS_S
        if fresh:
            self._census, self._counted_s = ProcessTable.take(self._census), time.monotonic()
        if self._processes is None:
            self._processes = self._open()
        sample: dict[str, float] = {}
        if self._database is not None:
            sample |= self._database.sample()
        seen = self._processes.sample(self._census)
        if seen is not None:
            self._service = seen.family
            sample |= {
                "rss_bytes": seen.rss_bytes,
                "cpu_s": seen.cpu_s,
                "threads": seen.threads,
                "open_files": seen.open_files,
                "processes": len(seen.pids),
                "helper_rss_bytes": seen.helper_rss_bytes,
                "helpers": seen.helpers,
                "processes_started": seen.born,
                "processes_exited": seen.died,
            }
            if seen.uss_bytes is not None:
                sample["uss_bytes"] = seen.uss_bytes
        if fresh:
            database = self._database_pids()
            sample |= self._machine.sample(self._census, set(self._service), database)
            if seen is None and not self._processes.elsewhere:
                del sample["service_family_cpu_s"]  # it is somebody's, but whose is not seen
        return sample

    def _open_database(self, url: str) -> "Database | None":
        try:
            from straingauge.observe.postgres import Database
        except ImportError:
            self._no_driver = "the database: pip install 'straingauge[postgres]'"
            return None
        return Database(url)

    def _database_pids(self) -> set[int]:
        """PostgreSQL's processes here: the family of the one that attends to us.

        Where that is not seen (no address was given, or the server is in a container and numbers
        its processes for itself), all that are called so.
        """
        ours = self._database.backend_pid if self._database else None
        if ours is not None and self._postmaster[0] != ours:
            self._postmaster = (ours, self._find_postmaster(ours))
        if self._postmaster[1]:
            return set(self._census.family(self._postmaster[1]))
        return {pid for pid in self._census.rows if self._is_called_postgres(pid)}

    def _find_postmaster(self, ours: int) -> int:
        assert self._database is not None
        host = self._database.host
        if not (host.startswith("/") or is_here(host or "localhost")):
            return 0
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(ours).parent()
            return parent.pid if parent and parent.name().startswith("postgres") else 0
        return 0

    def _is_called_postgres(self, pid: int) -> bool:
        if pid not in self._called_postgres:
            with contextlib.suppress(psutil.NoSuchProcess):
                self._called_postgres[pid] = psutil.Process(pid).name().startswith("postgres")
        return self._called_postgres.get(pid, False)
