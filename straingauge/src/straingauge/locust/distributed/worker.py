"""A worker's part in a distributed run: register, keep the master's time, report, stop."""

import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.rpc import Message
from locust.runners import WorkerRunner

from straingauge.errors import UsageError
from straingauge.locust.distributed.messages import (
    FINAL_REPORT,
    FINAL_REPORT_RECEIVED,
    PING,
    PONG,
    REGISTER,
    REGISTERED,
    REPORT,
    RUN_STARTED,
    RunAssignment,
)
from straingauge.locust.distributed.process_stats import ProcessStats
from straingauge.locust.distributed.row_numbers import MasterNumbers
from straingauge.target.service_locator import refused
from straingauge.workers.clock_sync import ClockSync, Reading
from straingauge.workers.fingerprint import Fingerprints
from straingauge.workers.process_report import ProcessReport

logger = logging.getLogger(__name__)

REPORT_SHARE: Final = 0.01  # of the time: while a report is packed, nothing is sent
ATTEMPTS, ATTEMPT_S = 5, 1.0
FIRST_PINGS, PING_PAUSE_S, PING_INTERVAL_S = 8, 0.02, 5.0
SILENCE_S: Final = 3.5  # a master sends a heartbeat every second


class WorkerRole:
    """A worker's connection to its master.

    Args:
        runner: Locust's runner.
        modules: Fingerprints of this worker's load test.
        on_run: Called when a run is announced.
        on_master_lost: Called when the master does not come back.
        on_unacknowledged: Called with the number of a run whose final report the master does not
            acknowledge.

    Attributes:
        assignment: This worker's part in the current run; None between runs.
        row_numbers: Numbers of the rows of feeders.
    """

    def __init__(
        self,
        runner: WorkerRunner,
        modules: Fingerprints,
        on_run: Callable[[], None],
        on_master_lost: Callable[[], None],
        on_unacknowledged: Callable[[int], None],
    ) -> None:
        self._runner = runner
        self._modules = modules
        self._on_run = on_run
        self._on_master_lost = on_master_lost
        self._on_unacknowledged = on_unacknowledged
        self._clock = ClockSync()
        self._registered = Event()
        self._announced = Event()
        self._refused: str | None = None
        self._final_report_received = Event()
        self._resending: gevent.Greenlet | None = None
        self._next_report_s = 0.0
        self._heard_s = time.monotonic()
        self.assignment: RunAssignment | None = None
        self.row_numbers = MasterNumbers(runner)
        for kind, listener in (
            (REGISTERED, self._on_registered),
            (PONG, self._on_pong),
            (RUN_STARTED, self._on_run_started),
            (FINAL_REPORT_RECEIVED, lambda **_: self._final_report_received.set()),
        ):
            runner.register_message(kind, listener)

    @property
    def master_address(self) -> str:
        """Host and port of the master."""
        return f"{self._runner.master_host}:{self._runner.master_port}"

    @property
    def is_master_silent(self) -> bool:
        """The master has not been heard from for too long."""
        return time.monotonic() - self._heard_s > SILENCE_S

    @property
    def is_master_lost(self) -> bool:
        """The master is silent, and its port is closed.

        Silence alone proves nothing: on a busy machine this process, or the master, gets no CPU
        time for seconds, and a silent network may come back.
        """
        return self.is_master_silent and refused(f"http://{self.master_address}") is not None

    def register(self) -> None:
        """Register with the master, and measure the offset of its clock.

        Raises:
            UsageError: The master has another version of the load test.
        """
        data = {"host": socket.gethostname(), "pid": os.getpid(), "modules": dict(self._modules)}
        for _ in range(ATTEMPTS):
            self._runner.send_message(REGISTER, data | {"sent_ns": time.monotonic_ns()})
            if self._registered.wait(ATTEMPT_S):
                break
        else:
            logger.warning(
                "the master at %s does not run straingauge, so nothing measured here will be in "
                "a result; run this load test on the master, too",
                self.master_address,
            )
        if self._refused is not None:
            raise UsageError(
                f"the master at {self.master_address} refused this worker: {self._refused}",
                hint="give all machines the same files",
            )
        gevent.spawn(self._ping)
        gevent.spawn(self._watch_master)

    def leave(self) -> None:
        """Take no users from now on; unlike "quit", this message does not end the master."""
        self._runner.send_message("client_stopped")
        gevent.sleep(PING_PAUSE_S)

    def record_heartbeat(self) -> None:
        """Record that the master was heard from."""
        self._heard_s = time.monotonic()

    def user_id_sequence(self) -> tuple[int, int]:
        """Return the number of the first user here, and the step to each next one.

        Waits for the run to be announced, because Locust may start users earlier.
        """
        self._announced.wait(ATTEMPTS * ATTEMPT_S)
        if self.assignment is None:
            return self._runner.worker_index, 1
        return self.assignment.first_user, self.assignment.user_step

    def origin_ns(self) -> int:
        """Return the start of the run by this machine's clock, as precisely as it is known."""
        now_ns = time.monotonic_ns()
        start_ns = self._clock.align(self.assignment.start_ns) if self.assignment else None
        return now_ns if start_ns is None else min(start_ns, now_ns)

    def add_report(self, stats: ProcessStats, data: dict[str, Any]) -> None:
        """Add a report to one of Locust's, unless packing it now would cost too much time."""
        began_s = time.monotonic()
        if not self._is_current(stats) or began_s < self._next_report_s:
            return
        data[REPORT] = self._report(stats)
        self._next_report_s = began_s + (time.monotonic() - began_s) / REPORT_SHARE

    def send_final_report(self, stats: ProcessStats) -> None:
        """Send the complete report once all users have stopped, until it is acknowledged."""
        if not self._is_current(stats):
            return
        report, self.assignment = self._report(stats), None
        self._announced.clear()
        self._final_report_received.clear()
        self._runner.send_message(FINAL_REPORT, dict(report))
        self._resending = gevent.spawn(self._resend, report)

    def await_acknowledgement(self) -> None:
        """Wait until the final report is acknowledged, or until that is given up.

        Not for a listener to messages, since the next message arrives after it.
        """
        if self._resending is not None:
            self._resending.join()

    def _is_current(self, stats: ProcessStats) -> bool:
        return self.assignment is not None and stats.run_id == self.assignment.run_id

    def _report(self, stats: ProcessStats) -> ProcessReport:
        return {**stats.to_message(), "clock": self._clock.as_dict()}

    def _resend(self, report: ProcessReport) -> None:
        for _ in range(ATTEMPTS):
            if self._final_report_received.wait(ATTEMPT_S):
                return
            self._runner.send_message(FINAL_REPORT, dict(report))
        self._on_unacknowledged(report["run"])

    def _on_registered(self, msg: Message, **_: object) -> None:
        self._on_pong(msg)
        self._refused = msg.data["refused"]
        if msg.data["run"] is not None and self.assignment is None:
            self._on_run_started(msg)
        self._registered.set()

    def _on_run_started(self, msg: Message, **_: object) -> None:
        self.assignment = RunAssignment(**msg.data["run"])
        self._next_report_s = 0.0
        self._on_run()
        self._announced.set()

    def _on_pong(self, msg: Message, **_: object) -> None:
        sent_ns, answered_ns = msg.data["sent_ns"], msg.data["now_ns"]
        self._clock.add(Reading.from_round_trip(sent_ns, answered_ns, time.monotonic_ns()))

    def _ping(self) -> None:
        while True:
            for _ in range(FIRST_PINGS if self._clock.aligned is None else 1):
                self._runner.send_message(PING, {"sent_ns": time.monotonic_ns()})
                gevent.sleep(PING_PAUSE_S)
            gevent.sleep(PING_INTERVAL_S)

    def _watch_master(self) -> None:
        """Report the master lost once it is."""
        while not self.is_master_lost:
            gevent.sleep(1.0)
        self._on_master_lost()
