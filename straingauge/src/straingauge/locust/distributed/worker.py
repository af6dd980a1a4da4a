"""A worker's side of a run: introduce oneself, keep the master's time, report, outlive the master.

worker                              master (`straingauge.locust.distributed.master`)
HELLO(modules, sent_ns)        ->   WELCOME(now_ns, refused | run, place)
PING(sent_ns)                  ->   PONG(now_ns)
                               <-   BEGIN(run, place)          a run begins
"stats", every 3 s             ->                              Locust's own, with all figures in it
                               <-   STOP                       the run is over
LAST_FIGURES                   ->   GOT                        said again until it is heard
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.rpc import Message
from locust.runners import WorkerRunner

from straingauge.errors import UsageError
from straingauge.locust.distributed.clock_sync import ClockSync, Reading
from straingauge.locust.distributed.fingerprint import Files
from straingauge.locust.distributed.process_stats import ProcessStats
from straingauge.target.service_locator import refused

logger = logging.getLogger(__name__)

HELLO: Final = "straingauge_hello"
WELCOME: Final = "straingauge_welcome"
PING: Final = "straingauge_ping"
PONG: Final = "straingauge_pong"
BEGIN: Final = "straingauge_begin"
STOP: Final = "straingauge_stop"
LAST_FIGURES: Final = "straingauge_last_figures"
GOT: Final = "straingauge_got"
REPORT: Final = "straingauge"

REPORT_SHARE: Final = 0.01  # of the time: while figures are packed, nothing is sent
GREETINGS, GREETING_S = 5, 1.0
PINGS_AT_ONCE, PING_PAUSE_S, PING_EVERY_S = 8, 0.02, 5.0
SILENT_S: Final = 3.5  # a master's heart beats each second


@dataclass(frozen=True, slots=True)
class Run:
    """The run that this worker has a part in.

    Attributes:
        number: The run's.
        start_ns: When it began, of the master's clock.
        first: The number of this worker's first user.
        step: From each of its users' numbers to the next.
    """

    number: int
    start_ns: int
    first: int
    step: int


class WorkerSide:
    """What a worker knows of its master.

    Args:
        runner: Locust's own.
        modules: Which version of the load test this is.
        on_run: Called when a run is announced.
        on_lost: Called when the master is gone for good.
    """

    def __init__(
        self,
        runner: WorkerRunner,
        modules: Files,
        on_run: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._runner = runner
        self._modules = modules
        self._on_run = on_run
        self._on_lost = on_lost
        self._clock = ClockSync()
        self._answered = Event()
        self._announced = Event()
        self._refused: str | None = None
        self._handed_in = Event()
        self._next_report_s = 0.0
        self._heard_s = time.monotonic()
        self.run: Run | None = None
        for kind, listener in (
            (WELCOME, self._welcome),
            (PONG, self._pong),
            (BEGIN, self._begin),
            (GOT, lambda **_: self._handed_in.set()),
        ):
            runner.register_message(kind, listener)

    @property
    def master(self) -> str:
        """Where the master is."""
        return f"{self._runner.master_host}:{self._runner.master_port}"

    @property
    def silent(self) -> bool:
        """Whether the master has not been heard of for too long."""
        return time.monotonic() - self._heard_s > SILENT_S

    def greet(self) -> None:
        """Introduce oneself, and measure how far the clocks are apart.

        Raises:
            UsageError: The master has another version of the load test.
        """
        data = {"host": socket.gethostname(), "pid": os.getpid(), "modules": dict(self._modules)}
        for _ in range(GREETINGS):
            self._runner.send_message(HELLO, data | {"sent_ns": time.monotonic_ns()})
            if self._answered.wait(GREETING_S):
                break
        else:
            logger.warning(
                "the master at %s does not know straingauge: there will be no result of what is "
                "measured here; give it this load test",
                self.master,
            )
        if self._refused is not None:
            raise UsageError(
                f"the master at {self.master} takes no work from here: {self._refused}",
                hint="give all machines the same files",
            )
        gevent.spawn(self._keep_time)
        gevent.spawn(self._watch)

    def leave(self) -> None:
        """Let nothing be shared out to this worker; other than "quit", that ends no master."""
        self._runner.send_message("client_stopped")
        gevent.sleep(PING_PAUSE_S)

    def heard(self) -> None:
        """The master's heart has beaten."""
        self._heard_s = time.monotonic()

    def share(self) -> tuple[int, int]:
        """The number of the first user here, and how far it is from each to the next.

        Waits for the run to be announced, as users may be asked for before.
        """
        self._announced.wait(GREETINGS * GREETING_S)
        return (self.run.first, self.run.step) if self.run else (self._runner.worker_index, 1)

    def origin_ns(self) -> int:
        """The start of the run on this machine's clock, as well as that is known."""
        now_ns = time.monotonic_ns()
        start_ns = self._clock.align(self.run.start_ns) if self.run else None
        return now_ns if start_ns is None else min(start_ns, now_ns)

    def report(self, part: ProcessStats, data: dict[str, Any]) -> None:
        """Add all figures to a report, but never so often that packing them takes its toll."""
        began_s = time.monotonic()
        if self.run is None or part.run != self.run.number or began_s < self._next_report_s:
            return
        data[REPORT] = self._message(part)
        self._next_report_s = began_s + (time.monotonic() - began_s) / REPORT_SHARE

    def hand_in(self, part: ProcessStats) -> None:
        """All users have stopped: say what they measured until the master has heard it."""
        if self.run is None or part.run != self.run.number:
            return
        message, self.run = self._message(part), None
        self._announced.clear()
        self._handed_in.clear()
        self._runner.send_message(LAST_FIGURES, message)
        gevent.spawn(self._say_again, message)

    def _message(self, part: ProcessStats) -> dict[str, Any]:
        return part.to_message() | {"clock": self._clock.as_dict()}

    def _say_again(self, message: Mapping[str, Any]) -> None:
        for _ in range(GREETINGS):
            if self._handed_in.wait(GREETING_S):
                return
            self._runner.send_message(LAST_FIGURES, dict(message))

    def _welcome(self, msg: Message, **_: object) -> None:
        self._pong(msg)
        self._refused = msg.data["refused"]
        if msg.data["run"] is not None and self.run is None:
            self._begin(msg)
        self._answered.set()

    def _begin(self, msg: Message, **_: object) -> None:
        self.run = Run(**msg.data["run"])
        self._next_report_s = 0.0
        self._on_run()
        self._announced.set()

    def _pong(self, msg: Message, **_: object) -> None:
        back_ns = time.monotonic_ns()
        self._clock.read(Reading.of(msg.data["sent_ns"], msg.data["now_ns"], back_ns))

    def _keep_time(self) -> None:
        while True:
            for _ in range(PINGS_AT_ONCE if self._clock.aligned is None else 1):
                self._runner.send_message(PING, {"sent_ns": time.monotonic_ns()})
                gevent.sleep(PING_PAUSE_S)
            gevent.sleep(PING_EVERY_S)

    def _watch(self) -> None:
        """End when nobody listens where the master was; a network may be away for longer."""
        while not (self.silent and refused(f"http://{self.master}")):
            gevent.sleep(1.0)
        self._on_lost()
