"""Server in the controlling process that synchronizes the processes of a load."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from straingauge.cpus import usable_cpus
from straingauge.errors import StraingaugeError
from straingauge.http.settings import HttpSettings
from straingauge.target.started_service import StartedService
from straingauge.workers.load_state import LoadState, Outbox
from straingauge.workers.messages import (
    Aborted,
    Barrier,
    Disconnect,
    Fail,
    FromWorker,
    GetTarget,
    Heartbeat,
    Hello,
    ReporterRole,
    ResultSaved,
    Say,
    SetMetadata,
    Shard,
    StopAt,
    Target,
    TestDone,
    ToWorker,
)
from straingauge.workers.reports import Ending, MergedReports, Report
from straingauge.workers.worker_connections import WorkerConnections

if TYPE_CHECKING:
    from straingauge.engine import Pace

TICK_S = 0.5
STOP_DELAY_NS = 200_000_000  # time for each process to receive it, so that all end at one instant
LOAD_SILENCE_TIMEOUT_S = 30.0  # reports come twice a second
SILENCE_TIMEOUT_S = 600.0  # a worker may be busy with one long ordinary test

Watcher = Callable[[str, MergedReports], bool]
"""Is given a test's reports about twice a second; returning True ends the load early."""


class Coordinator:
    """Synchronizes the processes of one test session.

    Args:
        locate: Returns the service's base URL, and starts the service if necessary. Is given the
            file of the first test that needs it, and is called at most once, in a thread.
        watcher: See `Watcher`; called in a thread.
        locate_started: Returns the service if it was started here; called after `locate`.
        before_load: Called in a thread before each load, when all processes wait for it; returns
            whether the service's database was restored.
        say: Shows a line on the terminal; called in a thread.
        cores: Number of processes that may be active at once.
        load_silence_timeout_s: A process with a share that sends nothing for this long during a
            load counts as lost.
        silence_timeout_s: The same while no load is running.
    """

    def __init__(
        self,
        locate: Callable[[Path, HttpSettings], str],
        watcher: Watcher = lambda _test, _merged: False,
        *,
        locate_started: Callable[[], StartedService | None] = lambda: None,
        before_load: Callable[[], bool] = lambda: False,
        say: Callable[[str], None] = lambda _line: None,
        cores: int | None = None,
        load_silence_timeout_s: float = LOAD_SILENCE_TIMEOUT_S,
        silence_timeout_s: float = SILENCE_TIMEOUT_S,
    ) -> None:
        self._locate = locate
        self._watcher = watcher
        self._locate_started = locate_started
        self._before_load = before_load
        self._say = say
        self._cores = cores or usable_cpus()
        self._load_silence_timeout_s = load_silence_timeout_s
        self._silence_timeout_s = silence_timeout_s
        self._lock = threading.RLock()
        self._loads: dict[str, LoadState] = {}
        self._stopped_early: set[str] = set()
        self._expected: dict[str, None] = {}
        self._needed: set[str] = set()
        self._closing = threading.Event()
        self._close_lock = threading.RLock()
        self._abort_reason: str | None = None
        self._target: ToWorker | None = None
        self._awaiting_target: list[str] | None = None
        self.load_tests: set[str] = set()
        self._connections = WorkerConnections(
            self._lock, joined=self._join, received=self._handle, lost=self._lose
        )
        self._connections.start()
        self._ticking = self._spawn(self._tick)

    @property
    def connection_info(self) -> dict[str, str | int]:
        """Address and secret for a worker process; plain values, for that process only."""
        return self._connections.info

    @property
    def connected(self) -> list[str]:
        """The connected processes."""
        with self._lock:
            return self._connections.names

    @property
    def missing(self) -> list[str]:
        """The expected processes that have not connected yet."""
        with self._lock:
            return list(self._expected)

    def expect(self, names: Iterable[str]) -> None:
        """Let no load start before, or without, these processes."""
        with self._lock:
            self._expected.update(dict.fromkeys(names))
            self._needed.update(names)

    def merged_reports(self, test: str) -> MergedReports:
        """Return the reports of a load so far."""
        with self._lock:
            merged = self._load(test).merged()
            return replace(merged, abort_reason=merged.abort_reason or self._abort_reason)

    def unsaved(self) -> list[tuple[str, MergedReports]]:
        """Return the loads whose results were not saved, as (test, reports)."""
        with self._lock:
            return [
                (load.test, load.merged())
                for load in self._loads.values()
                if not load.is_saved and load.metadata is not None
            ]

    @property
    def is_sending(self) -> bool:
        """True while a process sends load, or reports what it measured."""
        with self._lock:
            return any(load.unfinished for load in self._loads.values())

    def is_leader(self, name: str, test: str) -> bool:
        """Return whether a process leads a load, or could: no shares were assigned yet."""
        with self._lock:
            load = self._loads.get(test)
            return load is None or load.leader in (None, name)

    def end_load(self, test: str, ending: Ending) -> bool:
        """End a running load now, so that what it measured is judged; return whether it does."""
        with self._lock:
            load = self._loads.get(test)
            outbox = load.end(ending) if load is not None else {}
            self._post(outbox)
            return bool(outbox)

    def set_pace(self, test: str, pace: "Pace", change: str) -> bool:
        """Change a running load, with a note for its result; return whether one is running."""
        with self._lock:
            load = self._loads.get(test)
            outbox = load.set_pace(pace, change) if load is not None else {}
            self._post(outbox)
            return bool(outbox)

    def abort(self, reason: str) -> None:
        """End all loads, and let no further load start."""
        with self._lock:
            self._abort_reason = self._abort_reason or reason
            for load in self._loads.values():
                self._post(load.abort(reason))

    def close(self) -> None:
        """Close all connections, which tells waiting processes that the session has ended.

        May be called repeatedly and from any thread; each call returns when everything is closed.
        """
        with self._close_lock:
            if self._closing.is_set():
                return
            self.abort("the session has ended")
            self._closing.set()
            self._connections.close()
            self._ticking.join(timeout=5.0)

    def _spawn(self, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(
            target=target, args=args, name="straingauge-coordinator", daemon=True
        )
        thread.start()
        return thread

    def _join(self, hello: Hello) -> None:
        self.load_tests.update(hello.tests)
        self._expected.pop(hello.name, None)

    def _handle(self, name: str, message: FromWorker) -> None:
        now_ns = time.monotonic_ns()
        with self._lock:
            match message:
                case GetTarget():
                    self._send_target(name, message)
                case Barrier():
                    self._begin_or_post(message.test, self._arrive(name, message, now_ns))
                case SetMetadata(test, metadata):
                    self._load(test).metadata = metadata
                case Report():
                    self._report(name, message)
                case Fail(test, error, hint):
                    self._post(self._load(test).fail(name, error, hint))
                case TestDone(test, error):
                    self._leave(name, self._load(test), error, now_ns)
                case ResultSaved(test):
                    self._loads[test].is_saved = True
                case Say(line):
                    self._say(line)
                case Hello() | Heartbeat() | Disconnect():
                    pass

    def _begin_or_post(self, test: str, outbox: Outbox) -> None:
        """Reply to processes; before a load begins, once the service is prepared for it."""
        if any(isinstance(reply, Shard) and reply.is_leader for reply in outbox.values()):
            self._spawn(self._begin_load, test, outbox)
        else:
            self._post(outbox)

    def _begin_load(self, test: str, outbox: Outbox) -> None:
        try:
            is_restored = self._before_load()
        except StraingaugeError as error:
            with self._lock:
                self._load(test).abort(str(error))
                self._post(dict.fromkeys(outbox, Aborted(str(error), error.hint)))
            return
        with self._lock:
            for name, reply in outbox.items():
                if isinstance(reply, Shard):
                    reply = replace(reply, is_restored=is_restored)  # noqa: PLW2901  completed
                self._post({name: reply})

    def _report(self, name: str, report: Report) -> None:
        for load in self._loads.values():
            if load.stage is not None:  # even if it was aborted: it was measured
                load.report(name, report)

    def _arrive(self, name: str, barrier: Barrier, now_ns: int) -> Outbox:
        if self._abort_reason is not None and barrier.stage == "join":
            return {name: Aborted(self._abort_reason)}
        self._restart(name, barrier)
        return self._load(barrier.test).arrive(name, barrier, self._present, now_ns)

    def _leave(self, name: str, load: LoadState, error: str | None, now_ns: int) -> None:
        self._post(load.leave(name, error, self._present, now_ns))
        ending = self._abort_reason is not None and load.leader is None
        self._post({name: ReporterRole(load.reporter == name and not ending)})

    @property
    def _present(self) -> list[str]:
        """The connected and the expected processes."""
        return [*self._connections.names, *self._expected]

    def _load(self, test: str) -> LoadState:
        return self._loads.setdefault(test, LoadState(test, self._cores))

    def _restart(self, name: str, barrier: Barrier) -> None:
        """Reset the state of a test that runs again in one session (a plugin repeats failures)."""
        before = self._loads.get(barrier.test)
        if (
            before is not None
            and barrier.stage == "join"
            and before.stage is None
            and before.has_shard(name)
        ):
            del self._loads[barrier.test]

    def _current(self) -> list[LoadState]:
        return [g for g in self._loads.values() if g.stage is not None and g.abort_reason is None]

    def _lose(self, name: str, reason: str) -> None:
        now_ns = time.monotonic_ns()
        had_shard = any(load.has_shard(name) for load in self._loads.values())
        if name in self._needed and not had_shard:
            self.abort(f"process {name} was lost ({reason}) before the load began")
        for load in self._loads.values():
            self._post(load.lose(name, reason, self._present, now_ns))

    def _post(self, outbox: Outbox) -> None:
        self._connections.send(outbox)

    def _send_target(self, name: str, wanted: GetTarget) -> None:
        if self._target is not None:
            self._post({name: self._target})
        elif self._awaiting_target is not None:
            self._awaiting_target.append(name)
        else:
            self._awaiting_target = [name]
            self._spawn(self._find_target, wanted)

    def _find_target(self, wanted: GetTarget) -> None:
        try:
            url = self._locate(wanted.test_file, wanted.http)
            target: ToWorker = Target(url, self._locate_started())
        except StraingaugeError as error:
            target = Aborted(str(error), error.hint)
        except Exception as error:  # noqa: BLE001  the waiting processes must learn of it
            target = Aborted(f"the service could not be located: {type(error).__name__}: {error}")
        with self._lock:
            self._target = target
            self._post(dict.fromkeys(self._awaiting_target or (), target))
            self._awaiting_target = None

    def _tick(self) -> None:
        while not self._closing.wait(TICK_S):
            with self._lock:
                self._drop_silent()
                watched = [(g.test, g.merged()) for g in self._current() if g.stage != "join"]
            for test, merged in watched:
                if self._watcher(test, merged) and test not in self._stopped_early:
                    self._stop_early(test)

    def _stop_early(self, test: str) -> None:
        with self._lock:
            self._stopped_early.add(test)
            at_ns = time.monotonic_ns() + STOP_DELAY_NS
            self._post(dict.fromkeys(self._loads[test].active, StopAt(at_ns)))

    def _drop_silent(self) -> None:
        """Disconnect processes that are silent for too long, but none that waits for others."""
        waiting = {name for load in self._current() for name in load.waiting} | set(
            self._awaiting_target or ()
        )
        running = {name for load in self._current() if load.is_running for name in load.active}

        def timeout_s(name: str) -> float | None:
            if name in waiting:
                return None
            return self._load_silence_timeout_s if name in running else self._silence_timeout_s

        self._connections.drop_silent(timeout_s)
