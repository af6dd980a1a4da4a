"""The profiler: a thread that samples the service's Python processes during a load."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import psutil

from straingauge.errors import TargetError
from straingauge.extras import install_command
from straingauge.profile.collected_stacks import CollectedStacks
from straingauge.profile.own_code import OwnCode
from straingauge.profile.probe_client import take_snapshot
from straingauge.profile.py_spy import Recording, dump, find_py_spy
from straingauge.profile.sampling import ON_REQUEST, plan_sampling, rate_for
from straingauge.profile.service_pids import (
    MAX_PROCESSES,
    BusyProcesses,
    own_code,
    probe_folder,
    python_processes,
    service_processes,
    serving_processes,
)
from straingauge.profile.silence import Silence
from straingauge.profile.stacks import Snapshot
from straingauge.profile.summary import summarize
from straingauge.result.format.profile import Profile
from straingauge.target.process_group import ProcessGroup

POLL_S: Final = 0.05
SNAPSHOT_S: Final = 0.1
DUMP_S: Final = 2.0  # by py-spy, which starts and reads symbols each time
MAX_COST: Final = 0.01  # of one core: the interval of snapshots grows with what they take
REFRESH_S: Final = 1.0
BUSY: Final = 0.2  # of one core: helpers that use less are not sampled
JOIN_TIMEOUT_S: Final = 15.0


def is_started_here(url: str, server_pid: int | None) -> bool:
    """Return True if a service stack of this machine started the service."""
    return probe_folder(service_processes(url, server_pid)) is not None


class Profiler:
    """Profile the service at a URL from `begin` to `end`, as a context manager.

    Args:
        url: The URL of the service.
        server_pid: Its parent process, if it cannot be found by its port.
        answered: Returns the number of requests that were answered so far.
        load_s: Duration of the load; None if unknown.
        is_requested: Sample running code whatever it costs, however short the load is.
    """

    def __init__(
        self,
        url: str,
        server_pid: int | None,
        answered: Callable[[], int],
        load_s: float | None = None,
        *,
        is_requested: bool = False,
    ) -> None:
        self._sampling = plan_sampling(load_s, is_requested=is_requested)
        self._url = url
        self._server_pid = server_pid
        self._answered = answered
        self._stack = ExitStack()
        self._program = find_py_spy()
        self._owners: dict[int, OwnCode] = {}
        self._names: dict[int, str] = {}
        self._collected = CollectedStacks(self._owners)
        self._recordings: list[Recording] = []
        self._notes: list[str] = []
        self._present: frozenset[psutil.Process] = frozenset()
        self._folder: Path | None = None
        self._busy = BusyProcesses(BUSY)
        self._cpu_s = 0.0
        self._began_s = self._ended_s = self._recorded_s = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="straingauge-profiler", daemon=True)

    def __enter__(self) -> Self:
        """Find the processes, before the load."""
        self._group = self._stack.enter_context(ProcessGroup())
        found = service_processes(self._url, self._server_pid)
        self._folder = probe_folder(found)
        if not found:
            self._notes.append("the service's processes were not found: it was not profiled")
        elif not self._add(serving_processes(found)):
            self._notes.append("not available for this runtime: the service does not run Python")
        elif self._program is None:
            self._notes.append(
                f"py-spy is missing, so running code was not sampled: {install_command('profile')}"
            )
        elif self._sampling is None:
            self._notes.append(ON_REQUEST)
        self._present = frozenset(found)
        for pid in self._owners:
            if (idle := self._snapshot(pid)) is not None:
                self._collected.add_idle(idle)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._join()
        self._stack.close()

    def begin(self) -> None:
        """Start, at the start of the load."""
        self._began_s = self._ended_s = time.monotonic()
        self._thread.start()

    def end(self) -> None:
        """End, at the end of the load, without waiting."""
        self._ended_s = time.monotonic()
        self._stopping.set()

    def profile(self) -> Profile:
        """Return the profile, after the end."""
        self._join()
        load_s = self._ended_s - self._began_s
        return summarize(
            self._collected,
            names=self._names,
            rate_hz=self._sampling.rate_hz if self._sampling else 0,
            duration_s=min(self._recorded_s, load_s),
            cpu_s=self._cpu_s,
            load_s=load_s,
            notes=self._notes,
        )

    def _join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(JOIN_TIMEOUT_S)

    def _add(self, processes: list[psutil.Process]) -> bool:
        """Remember the Python processes among these; return True if there are any."""
        free = MAX_PROCESSES - len(self._owners)
        found = python_processes([each for each in processes if each.pid not in self._owners])
        for process in found[:free]:
            self._owners[process.pid] = own_code(process)
            self._names[process.pid] = _name(process)
        return bool(found)

    def _run(self) -> None:
        try:
            self._sample()
        except Exception as error:
            logging.getLogger(__name__).exception("the profiler failed")
            self._notes.append(f"the profiler failed: {type(error).__name__}: {error}")
        finally:
            self._cpu_s += time.thread_time() + sum(each.cpu_s() for each in self._recordings)
            self._end_recordings()

    def _sample(self) -> None:
        self._record()
        silence = Silence(time.monotonic())
        due_s, refresh_s = 0.0, time.monotonic() + REFRESH_S
        spent_s = self._cpu_s
        while not self._stopping.wait(POLL_S):
            now_s = time.monotonic()
            stall_ms = silence.stall_ms(now_s, self._answered())
            if now_s >= due_s or stall_ms is not None:
                self._take_snapshot(now_s, stall_ms)
                least_s = SNAPSHOT_S if self._folder else DUMP_S
                cost_s = self._cpu_s - spent_s
                spent_s = self._cpu_s
                # Uneven intervals: even ones could always meet the same moment of a cycle.
                due_s = now_s + max(least_s, cost_s / MAX_COST) * random.uniform(0.6, 1.4)  # noqa: S311
            if now_s >= refresh_s:
                refresh_s = now_s + REFRESH_S
                self._refresh()

    def _refresh(self) -> None:
        """Add processes that have become busy.

        Not those that started during the load: `py-spy` would start once for each short-lived one.
        """
        if self._add(self._busy.find(list(self._present))):
            self._record()

    def _record(self) -> None:
        """Let `py-spy` sample each process that it does not sample yet."""
        if self._program is None or self._sampling is None:
            return
        left_s = math.ceil(self._sampling.duration_s - (time.monotonic() - self._began_s))
        recorded = {each.pid for each in self._recordings}
        for pid in self._owners.keys() - recorded:
            if left_s > 0:
                try:
                    self._recordings.append(
                        Recording.start(
                            self._program,
                            pid,
                            self._group,
                            limit_s=left_s,
                            rate_hz=rate_for(self._sampling.rate_hz, _threads(pid)),
                        )
                    )
                except TargetError as error:
                    self._notes.append(str(error))

    def _end_recordings(self) -> None:
        if self._sampling is not None:
            limit_s = math.ceil(self._sampling.duration_s)
            self._recorded_s = min(time.monotonic() - self._began_s, limit_s)
        for each in self._recordings:
            self._collected.add_running(each.pid, each.end(self._group))
            problem = each.problem()
            if problem is not None:
                self._notes.append(problem)

    def _take_snapshot(self, now_s: float, silent_ms: int | None) -> None:
        found = [each for pid in list(self._owners) if (each := self._snapshot(pid)) is not None]
        if found:
            t_s = now_s - self._began_s
            self._collected.add_snapshots(found, t_s=t_s, silent_ms=silent_ms)

    def _snapshot(self, pid: int) -> Snapshot | None:
        if self._folder is not None:
            snapshot = take_snapshot(self._folder, pid)
            self._cpu_s += snapshot.cpu_s if snapshot else 0.0
            return snapshot
        if self._program is None:
            return None
        snapshot, cpu_s = dump(self._program, pid)
        self._cpu_s += cpu_s
        return snapshot


def _threads(pid: int) -> int:
    try:
        return psutil.Process(pid).num_threads()
    except psutil.Error:
        return 1


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return "python"
