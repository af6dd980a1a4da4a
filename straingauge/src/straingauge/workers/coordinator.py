"""The rendezvous: a server in the controlling process where the processes of one load meet."""

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from multiprocessing import AuthenticationError
from multiprocessing.connection import (
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)

from straingauge.errors import StraingaugeError
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
    MergedReports,
    Plan,
    Report,
    ReporterRole,
    ResultSaved,
    StopAt,
    Target,
    TestDone,
    ToWorker,
    Welcome,
)

TICK_S = 0.5
HALT_DELAY_NS = 200_000_000  # time for every process to hear of it, so that all end at one instant
SILENT_WHILE_PLAYING_S = 30.0  # reports come twice a second
SILENT_S = 600.0  # a worker may be busy with one long ordinary test

Watcher = Callable[[str, MergedReports], bool]
"""Sees a test's figures about twice a second; True ends the load, since its figures hold."""


@dataclass(slots=True)
class _Worker:
    connection: Connection
    heard_s: float
    dropped: str | None = None  # why it was hung up on


class Coordinator:
    """Serves the processes of one test session.

    Args:
        find_address: Gives the service's address, starting it where need be; it is given the
            file of the first test that asks, and called at most once, in a thread.
        watcher: See `Watcher`; called in a thread.
        find_database: Gives the database of the service that was started, after that.
        cores: Processes that may be active at once.
        silent_while_playing_s: After so long without a word a process with a share counts as lost.
        silent_s: The same while no load is under way.
    """

    def __init__(
        self,
        find_address: Callable[[str], str],
        watcher: Watcher = lambda _test, _merged: False,
        *,
        find_database: Callable[[], str | None] = lambda: None,
        cores: int | None = None,
        silent_while_playing_s: float = SILENT_WHILE_PLAYING_S,
        silent_s: float = SILENT_S,
    ) -> None:
        self._find_address = find_address
        self._watcher = watcher
        self._find_database = find_database
        self._cores = cores or os.cpu_count() or 1
        self._silent_while_playing_s = silent_while_playing_s
        self._silent_s = silent_s
        self._secret = secrets.token_bytes(32)
        # Without a key: a stranger who keeps silent would hold up accept() for all others.
        self._listener = Listener(("127.0.0.1", 0), backlog=128)
        self._listening_at: tuple[str, int] = self._listener.address
        self._lock = threading.RLock()
        self._workers: dict[str, _Worker] = {}
        self._gatherings: dict[str, LoadState] = {}
        self._halted: set[str] = set()
        self._expected: dict[str, None] = {}
        self._needed: set[str] = set()
        self._closing = threading.Event()
        self._close_lock = threading.RLock()
        self._closed_because: str | None = None
        self._address: ToWorker | None = None
        self._asking: list[str] | None = None
        self.load_tests: set[str] = set()
        self._threads = [self._spawn(self._accept), self._spawn(self._tick)]

    @property
    def invitation(self) -> dict[str, str | int]:
        """How a process finds it: plain values, to be handed to that process alone."""
        host, port = self._listening_at
        return {"host": host, "port": port, "secret": self._secret.hex()}

    @property
    def connected(self) -> list[str]:
        """The processes that are here."""
        with self._lock:
            return list(self._workers)

    @property
    def missing(self) -> list[str]:
        """The processes that were announced and have not come yet."""
        with self._lock:
            return list(self._expected)

    def expect(self, names: Iterable[str]) -> None:
        """Announce processes: no load begins before they have come, and none without them."""
        with self._lock:
            self._expected.update(dict.fromkeys(names))
            self._needed.update(names)

    def known(self, test: str) -> MergedReports:
        """What is known of a load so far."""
        with self._lock:
            merged = self._gather(test).merged()
            return replace(merged, broken=merged.broken or self._closed_because)

    def unjudged(self) -> list[tuple[str, MergedReports]]:
        """Loads of which figures are known and that nobody has judged: (test, figures)."""
        with self._lock:
            return [
                (gathering.test, gathering.merged())
                for gathering in self._gatherings.values()
                if not gathering.judged and gathering.plan is not None
            ]

    def leads(self, name: str, test: str) -> bool:
        """Whether `name` leads that load, or might have: it never seated anyone."""
        with self._lock:
            gathering = self._gatherings.get(test)
            return gathering is None or gathering.leader in (None, name)

    def stop(self, reason: str) -> None:
        """Let no further load begin, and none go on."""
        with self._lock:
            self._closed_because = self._closed_because or reason
            for gathering in self._gatherings.values():
                self._post(gathering.cancel(reason))

    def close(self) -> None:
        """Close all connections, by which processes that wait learn that the session has ended.

        May be called again and from any thread; each call returns when all is closed.
        """
        with self._close_lock:
            if self._closing.is_set():
                return
            self.stop("the session has ended")
            self._closing.set()
            with self._lock:
                for worker in self._workers.values():
                    _hang_up(worker.connection)
            with contextlib.suppress(OSError):  # wakes accept()
                socket.create_connection(self._listening_at).close()
            for thread in self._threads:
                thread.join(timeout=5.0)
            self._listener.close()

    def _spawn(self, target: Callable[..., None], *args: object) -> threading.Thread:
        thread = threading.Thread(
            target=target, args=args, name="straingauge-rendezvous", daemon=True
        )
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
            except OSError:
                continue  # it went away before it was accepted
            if self._closing.is_set():
                connection.close()
            else:
                self._spawn(self._serve, connection)

    def _serve(self, connection: Connection) -> None:
        name = None
        said_bye = False
        try:
            deliver_challenge(connection, self._secret)
            answer_challenge(connection, self._secret)
            hello = connection.recv()
            name = hello.name
            self._welcome(hello, connection)
            while not said_bye:
                message: FromWorker = connection.recv()
                said_bye = isinstance(message, Disconnect)
                self._handle(name, message)
        except (AuthenticationError, EOFError, OSError):
            pass  # a stranger, or the process has gone: _gone says what that means
        finally:
            # Closed last: while it is known, another thread may hang up on it by its descriptor.
            if name is not None:
                self._gone(name, expected=said_bye)
            connection.close()

    def _welcome(self, hello: Hello, connection: Connection) -> None:
        with self._lock:
            if self._closing.is_set():
                raise EOFError
            self.load_tests.update(hello.tests)
            self._expected.pop(hello.name, None)
            self._workers[hello.name] = _Worker(connection, time.monotonic())
            connection.send(Welcome())

    def _handle(self, name: str, message: FromWorker) -> None:
        now_ns = time.monotonic_ns()
        with self._lock:
            self._workers[name].heard_s = time.monotonic()
            match message:
                case GetTarget(near):
                    self._ask(name, near)
                case Barrier():
                    self._post(self._meet(name, message, now_ns))
                case Plan(test, plan):
                    self._gather(test).plan = plan
                case Report():
                    self._report(name, message)
                case Fail(test, error):
                    self._post(self._gather(test).fail(name, error))
                case TestDone(test, error):
                    self._leave(name, self._gather(test), error, now_ns)
                case ResultSaved(test):
                    self._gatherings[test].judged = True
                case Hello() | Heartbeat() | Disconnect():
                    pass

    def _report(self, name: str, report: Report) -> None:
        for gathering in self._gatherings.values():
            if gathering.stage is not None:  # broken or not: it was measured
                gathering.report(name, report)

    def _meet(self, name: str, meet: Barrier, now_ns: int) -> Outbox:
        if self._closed_because is not None and meet.stage == "join":
            return {name: Aborted(self._closed_because)}
        self._again(name, meet)
        return self._gather(meet.test).meet(name, meet, self._present, now_ns)

    def _leave(self, name: str, gathering: LoadState, error: str | None, now_ns: int) -> None:
        self._post(gathering.leave(name, error, self._present, now_ns))
        ending = self._closed_because is not None and gathering.leader is None
        self._post({name: ReporterRole(gathering.reporter == name and not ending)})

    @property
    def _present(self) -> list[str]:
        """Those that are here or will come."""
        return [*self._workers, *self._expected]

    def _gather(self, test: str) -> LoadState:
        return self._gatherings.setdefault(test, LoadState(test, self._cores))

    def _again(self, name: str, meet: Barrier) -> None:
        """A test run once more in one session (a plugin repeats failures) gathers anew."""
        before = self._gatherings.get(meet.test)
        if (
            before is not None
            and meet.stage == "join"
            and before.stage is None
            and before.seats(name)
        ):
            del self._gatherings[meet.test]

    def _current(self) -> list[LoadState]:
        return [g for g in self._gatherings.values() if g.stage is not None and g.broken is None]

    def _gone(self, name: str, *, expected: bool) -> None:
        with self._lock:
            worker = self._workers.pop(name, None)
            reason = "its session ended" if expected else "its connection broke: killed, or crashed"
            reason = worker.dropped or reason if worker is not None else reason
            now_ns = time.monotonic_ns()
            took_part = any(gathering.seats(name) for gathering in self._gatherings.values())
            if name in self._needed and not took_part:
                self.stop(f"process {name} was lost ({reason}) before the load began")
            for gathering in self._gatherings.values():
                self._post(gathering.lose(name, reason, self._present, now_ns))

    def _post(self, outbox: Outbox) -> None:
        for name, message in outbox.items():
            worker = self._workers.get(name)
            if worker is not None:
                with contextlib.suppress(OSError):  # it has just gone: its own thread finds out
                    worker.connection.send(message)

    def _ask(self, name: str, near: str) -> None:
        if self._address is not None:
            self._post({name: self._address})
        elif self._asking is not None:
            self._asking.append(name)
        else:
            self._asking = [name]
            self._spawn(self._answer, near)

    def _answer(self, near: str) -> None:
        try:
            answer: ToWorker = Target(self._find_address(near), self._find_database())
        except StraingaugeError as error:
            answer = Aborted(str(error), error.hint)
        except Exception as error:  # noqa: BLE001  whoever waits must hear of it, whatever it was
            answer = Aborted(
                f"the service's address could not be found: {type(error).__name__}: {error}"
            )
        with self._lock:
            self._address = answer
            self._post(dict.fromkeys(self._asking or (), answer))
            self._asking = None

    def _tick(self) -> None:
        while not self._closing.wait(TICK_S):
            with self._lock:
                self._drop_silent()
                watched = [(g.test, g.merged()) for g in self._current() if g.stage != "join"]
            for test, merged in watched:
                if self._watcher(test, merged) and test not in self._halted:
                    self._halt(test)

    def _halt(self, test: str) -> None:
        with self._lock:
            self._halted.add(test)
            at_ns = time.monotonic_ns() + HALT_DELAY_NS
            self._post(dict.fromkeys(self._gatherings[test].active, StopAt(at_ns)))

    def _drop_silent(self) -> None:
        """Hang up on who is overdue (who waits never is); its thread then finds it gone."""
        now_s = time.monotonic()
        waiting = {name for gathering in self._current() for name in gathering.waiting} | set(
            self._asking or ()
        )
        playing = {
            name for gathering in self._current() if gathering.playing for name in gathering.active
        }
        for name, worker in self._workers.items():
            patience_s = self._silent_while_playing_s if name in playing else self._silent_s
            if name not in waiting and now_s - worker.heard_s > patience_s:
                worker.dropped = f"nothing was heard of it for {patience_s:g} s"
                _hang_up(worker.connection)


def _hang_up(connection: Connection) -> None:
    """End a connection another thread reads from; closing it would leave that thread waiting."""
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
