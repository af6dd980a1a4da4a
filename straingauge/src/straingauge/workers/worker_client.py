"""One process's side of the rendezvous."""

import contextlib
import queue
import threading
from collections.abc import Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from typing import Any, Protocol, TypeVar

from straingauge.workers.coordinator import SILENT_S
from straingauge.workers.messages import (
    Abort,
    Aborted,
    Barrier,
    CoordinatorError,
    Disconnect,
    Fail,
    FromWorker,
    GetTarget,
    Heartbeat,
    Hello,
    MergedReports,
    Plan,
    Proceed,
    Report,
    ReporterRole,
    ResultSaved,
    Shard,
    StopAt,
    Target,
    TestDone,
    ToWorker,
    Welcome,
)

ReplyT = TypeVar("ReplyT", bound=ToWorker)

# The rendezvous breaks off a wait that lasts; this is for one that has itself stopped answering.
DEADLINE_S = SILENT_S + 60.0


class LoadAborted(CoordinatorError):
    """This load will not take place, or not go on."""


class CoordinatorClient(Protocol):
    """What a process that plays a load needs of the others, be there any or not."""

    @property
    def halt_at_ns(self) -> int | None:
        """When to end the load early (monotonic); None: play it to its end."""

    @property
    def broken(self) -> bool:
        """Whether this load was called off while it is being played."""

    @property
    def database_url(self) -> str | None:
        """The database of the service whose address was asked for, where it was started for us."""

    def address(self, near: str) -> str:
        """The service's address, found from the test file `near`; raises LoadBroken."""

    def join(self, test: str, at_most: int) -> Shard:
        """Meet for a test; raises LoadBroken."""

    def announce(self, plan: dict[str, Any]) -> None:
        """Say what a result needs besides the figures; the leader does."""

    def ready(self, report: Report) -> int:
        """Users are logged in; gives the start instant (monotonic ns). Raises LoadBroken."""

    def fail(self, error: str) -> None:
        """This process cannot begin: nobody shall."""

    def report(self, report: Report) -> None:
        """Tell what was measured till now."""

    def played(self, report: Report) -> None:
        """The load is over here; returns when it is over everywhere."""

    def rested(self, report: Report) -> None:
        """The service was looked at in peace; returns when everybody may ask it again."""

    def end(self, report: Report) -> MergedReports | None:
        """All is over here; gives the leader what all have measured, the others None."""

    def judged(self) -> None:
        """The result is in its file, or goes the way of the test's report."""


class WorkerClient:
    """A process among several; talks to the rendezvous that invited it.

    Args:
        name: The process's name, such as "gw3".
        invitation: `Rendezvous.invitation`.
        tests: The load tests it has collected.

    Raises:
        FleetError: The rendezvous is gone.
    """

    def __init__(self, name: str, invitation: Mapping[str, Any], tests: tuple[str, ...]) -> None:
        self._name = name
        self._test = ""
        self._halt_at_ns: int | None = None
        self._broken = False
        self._gone = False  # the other side; it has said so once, and will not answer any more
        self._database_url: str | None = None
        self._replies: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
        try:
            self._connection: Connection = Client(
                (invitation["host"], invitation["port"]),
                authkey=bytes.fromhex(invitation["secret"]),
            )
        except (OSError, EOFError, AuthenticationError) as error:
            raise CoordinatorError(
                f"{name} cannot reach the controlling process: {error}"
            ) from error
        threading.Thread(target=self._listen, name="straingauge-member", daemon=True).start()
        self._ask(Hello(name, tests), Welcome)

    @property
    def halt_at_ns(self) -> int | None:
        """When to end the load early (monotonic)."""
        return self._halt_at_ns

    @property
    def broken(self) -> bool:
        """Whether this load was called off while it is being played."""
        return self._broken

    @property
    def database_url(self) -> str | None:
        """The database of the service whose address was asked for, where it was started for us."""
        return self._database_url

    def address(self, near: str) -> str:
        """Ask where the service is; the first to ask waits for it to be started."""
        found = self._ask(GetTarget(near), Target)
        self._database_url = found.database_url
        return found.url

    def join(self, test: str, at_most: int) -> Shard:
        """Meet for a test."""
        self._test, self._halt_at_ns, self._broken = test, None, False
        return self._ask(Barrier(test, "join", at_most=at_most), Shard)

    def announce(self, plan: dict[str, Any]) -> None:
        """Leave the plan where it survives this process."""
        self._send(Plan(self._test, plan))

    def ready(self, report: Report) -> int:
        """Meet before the start."""
        return self._ask(Barrier(self._test, "ready", report=report), Proceed).at_ns

    def fail(self, error: str) -> None:
        """Break the load off before its start."""
        self._send(Fail(self._test, error))

    def report(self, report: Report) -> None:
        """Tell what was measured till now."""
        self._send(report)

    def played(self, report: Report) -> None:
        """Meet after the load."""
        self._ask(Barrier(self._test, "played", report=report), Proceed)

    def rested(self, report: Report) -> None:
        """Meet after the quiet time."""
        self._ask(Barrier(self._test, "rested", report=report), Proceed)

    def end(self, report: Report) -> MergedReports | None:
        """Meet at the end."""
        reply = self._ask(Barrier(self._test, "end", report=report), Proceed, MergedReports)
        return reply if isinstance(reply, MergedReports) else None

    def judged(self) -> None:
        """Tell that the result needs no keeping any more."""
        self._send(ResultSaved(self._test))

    def left(self, test: str, error: str | None) -> bool:
        """Tell that this process is done with a test; gives whether it is the one to report it."""
        return self._ask(TestDone(test, error), ReporterRole).reports

    def alive(self) -> None:
        """Tell that something happens here."""
        self._send(Heartbeat())

    def close(self) -> None:
        """Say that this process leaves, if there is still a controlling process to hear it."""
        with contextlib.suppress(CoordinatorError):
            self._send(Disconnect())

    def _send(self, message: FromWorker) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise CoordinatorError("the controlling process has gone") from error

    def _ask(self, message: FromWorker, *expected: type[ReplyT]) -> ReplyT:
        if self._gone and self._replies.empty():
            raise CoordinatorError("the controlling process has gone")
        self._send(message)
        try:
            reply = self._replies.get(timeout=DEADLINE_S)
        except queue.Empty:
            raise CoordinatorError(
                f"the controlling process has not answered for {DEADLINE_S:.0f} s"
            ) from None
        if isinstance(reply, expected):
            return reply
        if isinstance(reply, Aborted):
            raise LoadAborted(reply.reason, reply.hint)
        raise CoordinatorError(f"the processes are out of step: {reply!r} to {message!r}")

    def _listen(self) -> None:
        """Read in its own thread, so that a halt is known at once and a wait has a deadline."""
        try:
            while True:
                message: ToWorker = self._connection.recv()
                if isinstance(message, StopAt):
                    self._halt_at_ns = message.at_ns
                elif isinstance(message, Abort):
                    self._broken = True
                else:
                    self._replies.put(message)
        except (EOFError, OSError):
            self._broken = self._gone = True
            self._replies.put(Aborted("the controlling process has gone"))
