"""Connection of one process to the coordinator."""

import contextlib
import queue
import threading
from collections.abc import Mapping
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from straingauge.http.settings import HttpSettings
from straingauge.target.started_service import StartedService
from straingauge.workers.coordinator import SILENCE_TIMEOUT_S
from straingauge.workers.messages import (
    Abort,
    Aborted,
    Barrier,
    CoordinatorError,
    Disconnect,
    EndLoad,
    Fail,
    FromWorker,
    GetTarget,
    Heartbeat,
    Hello,
    Proceed,
    ReporterRole,
    ResultSaved,
    Say,
    SetMetadata,
    SetPace,
    Shard,
    StopAt,
    Target,
    TestDone,
    ToWorker,
    Welcome,
)
from straingauge.workers.reports import MergedReports, Report, RunMetadata

if TYPE_CHECKING:
    from straingauge.engine import Pace

ReplyT = TypeVar("ReplyT", bound=ToWorker)

# The coordinator ends waits that last too long; this is for one that has stopped answering itself.
REPLY_TIMEOUT_S = SILENCE_TIMEOUT_S + 60.0
_DEFAULTS: Final = HttpSettings()


class LoadAborted(CoordinatorError):
    """The load does not take place, or does not go on."""


class CoordinatorClient(Protocol):
    """Connection of a process to the others that share its load, if there are any."""

    @property
    def stop_at_ns(self) -> int | None:
        """When to end the load early (`time.monotonic_ns`); None to run it to its end."""

    @property
    def is_aborted(self) -> bool:
        """True if the running load was aborted."""

    @property
    def is_ended(self) -> bool:
        """True if the running load ends now, before its schedule does."""

    @property
    def pace(self) -> "Pace | None":
        """The pace that the user has set for the running load; None if none was set."""

    @property
    def started(self) -> StartedService | None:
        """The service, if it was started here; known after `find_target`."""

    def find_target(self, test_file: Path, http: HttpSettings = _DEFAULTS) -> str:
        """Return the service's base URL, looked up from the test's file; raises LoadAborted.

        Args:
            test_file: The test's file.
            http: Settings of connections of its load.
        """

    def join(self, test: str, max_processes: int) -> Shard:
        """Wait for all processes, and return this one's share; raises LoadAborted."""

    def send_metadata(self, metadata: RunMetadata) -> None:
        """Send the metadata of the run, as the leader."""

    def wait_for_start(self, report: Report) -> int:
        """Wait until all users are logged in, and return the start instant; raises LoadAborted."""

    def fail(self, error: str, hint: str | None) -> None:
        """Abort the load in all processes: this one cannot start."""

    def send_report(self, report: Report) -> None:
        """Send what this process has measured so far."""

    def wait_for_load_end(self, report: Report) -> None:
        """Wait until the load has ended in all processes; raises LoadAborted."""

    def wait_for_cooldown_end(self, report: Report) -> None:
        """Wait until the cooldown has ended; raises LoadAborted."""

    def finish(self, report: Report) -> MergedReports | None:
        """Wait until all have finished; return all reports to the leader, None to the others."""

    def say(self, line: str) -> None:
        """Show a line on the terminal."""

    def mark_saved(self) -> None:
        """Tell the coordinator that the result was saved, so that it need not keep the reports."""


class WorkerClient:
    """A `CoordinatorClient` that is connected to a `Coordinator` in another process.

    Args:
        name: This process's name, such as "gw3".
        connection_info: `Coordinator.connection_info`.
        tests: The load tests this process has collected.

    Raises:
        CoordinatorError: The coordinator cannot be reached.
    """

    def __init__(
        self, name: str, connection_info: Mapping[str, Any], tests: tuple[str, ...]
    ) -> None:
        self._name = name
        self._test = ""
        self._stop_at_ns: int | None = None
        self._is_aborted = self._is_ended = False
        self._pace: Pace | None = None
        self._is_closed = False
        self._started: StartedService | None = None
        self._replies: queue.SimpleQueue[ToWorker] = queue.SimpleQueue()
        try:
            self._connection: Connection = Client(
                (connection_info["host"], connection_info["port"]),
                authkey=bytes.fromhex(connection_info["secret"]),
            )
        except (OSError, EOFError, AuthenticationError) as error:
            raise CoordinatorError(
                f"{name} cannot reach the controlling process: {error}"
            ) from error
        threading.Thread(target=self._listen, name="straingauge-worker-client", daemon=True).start()
        self._request(Hello(name, tests), Welcome)

    @property
    def stop_at_ns(self) -> int | None:
        """When to end the load early (`time.monotonic_ns`); None to run it to its end."""
        return self._stop_at_ns

    @property
    def is_aborted(self) -> bool:
        """True if the running load was aborted."""
        return self._is_aborted

    @property
    def is_ended(self) -> bool:
        """True if the running load ends now, before its schedule does."""
        return self._is_ended

    @property
    def pace(self) -> "Pace | None":
        """The pace that the user has set for the running load; None if none was set."""
        return self._pace

    @property
    def started(self) -> StartedService | None:
        """The service, if it was started here; known after `find_target`."""
        return self._started

    def find_target(self, test_file: Path, http: HttpSettings = _DEFAULTS) -> str:
        """Request the service's URL; waits until the service is started."""
        target = self._request(GetTarget(test_file, http), Target)
        self._started = target.started
        return target.url

    def join(self, test: str, max_processes: int) -> Shard:
        """Wait at the stage "join"."""
        self._test, self._stop_at_ns = test, None
        self._is_aborted = self._is_ended = False
        self._pace = None
        return self._request(Barrier(test, "join", max_processes=max_processes), Shard)

    def send_metadata(self, metadata: RunMetadata) -> None:
        """Send the metadata, which then survives this process."""
        self._send(SetMetadata(self._test, metadata))

    def wait_for_start(self, report: Report) -> int:
        """Wait at the stage "start"."""
        return self._request(Barrier(self._test, "start", report=report), Proceed).at_ns

    def fail(self, error: str, hint: str | None) -> None:
        """Abort the load before its start."""
        self._send(Fail(self._test, error, hint))

    def send_report(self, report: Report) -> None:
        """Send what this process has measured so far."""
        self._send(report)

    def wait_for_load_end(self, report: Report) -> None:
        """Wait at the stage "load_end"."""
        self._request(Barrier(self._test, "load_end", report=report), Proceed)

    def wait_for_cooldown_end(self, report: Report) -> None:
        """Wait at the stage "cooldown_end"."""
        self._request(Barrier(self._test, "cooldown_end", report=report), Proceed)

    def finish(self, report: Report) -> MergedReports | None:
        """Wait at the stage "finish"."""
        reply = self._request(Barrier(self._test, "finish", report=report), Proceed, MergedReports)
        return reply if isinstance(reply, MergedReports) else None

    def mark_saved(self) -> None:
        """Tell the coordinator that the result was saved."""
        self._send(ResultSaved(self._test))

    def say(self, line: str) -> None:
        """Show a line on the terminal."""
        self._send(Say(line))

    def leave_test(self, test: str, error: str | None) -> bool:
        """Finish a test; return whether this process is the one to report it."""
        return self._request(TestDone(test, error), ReporterRole).reports

    def send_heartbeat(self) -> None:
        """Tell the coordinator that this process is alive."""
        self._send(Heartbeat())

    def close(self) -> None:
        """End the session, if the controlling process has not ended already."""
        with contextlib.suppress(CoordinatorError):
            self._send(Disconnect())

    def _send(self, message: FromWorker) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise CoordinatorError("the controlling process has ended") from error

    def _request(self, message: FromWorker, *expected: type[ReplyT]) -> ReplyT:
        if self._is_closed and self._replies.empty():
            raise CoordinatorError("the controlling process has ended")
        self._send(message)
        try:
            reply = self._replies.get(timeout=REPLY_TIMEOUT_S)
        except queue.Empty:
            raise CoordinatorError(
                f"the controlling process has not answered for {REPLY_TIMEOUT_S:.0f} s"
            ) from None
        if isinstance(reply, expected):
            return reply
        if isinstance(reply, Aborted):
            raise LoadAborted(reply.reason, reply.hint)
        raise CoordinatorError(f"the processes are out of step: {reply!r} to {message!r}")

    def _listen(self) -> None:
        """Read in a thread, so that an early end is known at once and waits can time out."""
        try:
            while True:
                message: ToWorker = self._connection.recv()
                if isinstance(message, StopAt):
                    self._stop_at_ns = message.at_ns
                elif isinstance(message, EndLoad):
                    self._is_ended = True
                elif isinstance(message, SetPace):
                    self._pace = message.pace
                elif isinstance(message, Abort):
                    self._is_aborted = True
                else:
                    self._replies.put(message)
        except (EOFError, OSError):
            self._is_aborted = self._is_closed = True
            self._replies.put(Aborted("the controlling process has ended"))
