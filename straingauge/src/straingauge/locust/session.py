"""One Locust process and the runs it sees come and go.

A process is alone, or a worker that reports to a master, or that master. Whoever is no worker
watches the service, and when a run ends has it judged and written (`straingauge.locust.ending`).
A worker's figures come with Locust's reports, every 3 s, and once more when its users have stopped:
the master waits for those, since without them a run would miss its end.
"""

import logging
import math
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import gevent
from gevent.event import Event
from gevent.lock import RLock
from locust.env import Environment
from locust.runners import (
    HEARTBEAT_INTERVAL,
    STATE_MISSING,
    WORKER_REPORT_INTERVAL,
    MasterRunner,
    Runner,
    WorkerRunner,
)
from locust.user.users import User as LocustUser

from straingauge.errors import StraingaugeError, TargetError
from straingauge.fleet import LostProcess
from straingauge.locust.ending import Ending, Measured
from straingauge.locust.part import Part
from straingauge.locust.seats import Seats
from straingauge.observe import Observer

logger = logging.getLogger(__name__)

SETUP_FAILED = "straingauge_setup_failed"
STOP = "straingauge_stop"
LAST_FIGURES = "straingauge_last_figures"
REPORT = "straingauge"
LAST_FIGURES_S = 10.0  # past --stop-timeout; a worker that takes longer is named in the result


class Session:
    """What straingauge keeps for one Locust process.

    Attributes:
        seats: Numbers for its users, and so their accounts.
        part: This process's figures in the run under way, or in the last one.
        runner: Locust's own.
    """

    def __init__(self, environment: Environment, ending: Ending | None) -> None:
        assert environment.runner is not None
        self.seats = Seats(self._place, self._workers)
        self.part = Part()
        self._environment = environment
        self.runner: Runner = environment.runner
        self._ending = ending
        self._observer: Observer | None = None
        self._started_at = ""
        self._messages: dict[str, Mapping[str, Any]] = {}
        self._members: set[str] = set()
        self._done: set[str] = set()
        self._one_done = Event()
        self._ending_now = RLock()  # a signal may come while a run ends by itself
        self._setup_error: StraingaugeError | None = None
        self._over = True
        self._ended: str | None = None
        self._verdict = ""

    def on_request(self, **event: Any) -> None:  # noqa: ANN401  Locust's event, as it comes
        """A request of any user has ended."""
        self.part.recording.on_request(**event)

    def on_user_error(
        self, user_instance: LocustUser, exception: BaseException, **_: object
    ) -> None:
        """A task has let an exception out: Locust goes on, the record knows."""
        self.part.recording.task_error(type(user_instance).__name__, exception)

    def begin(self) -> None:
        """A run begins."""
        self.part.stop()
        self.part = Part()
        self._messages.clear()
        self._done.clear()
        self._members = self._awaited()
        self._setup_error = None
        self._over, self._ended = False, None
        if not isinstance(self.runner, WorkerRunner):
            self._started_at = datetime.now().astimezone().isoformat(timespec="seconds")
            aside = gevent.get_hub().threadpool.apply
            database_url = os.environ.get("DATABASE_URL")
            host = self._environment.host or ""
            self._observer = Observer(host, database_url=database_url, aside=aside)
            self._observer.__enter__()

    def end(self) -> None:
        """A run has ended here: its users have stopped, or for a master, are about to."""
        with self._ending_now:
            if isinstance(self.runner, WorkerRunner):
                self.runner.send_message(LAST_FIGURES, self.part.to_message())
            elif isinstance(self.runner, MasterRunner):
                if not self.runner.clients:  # Ctrl-C came to the workers too, and they were quicker
                    self._mark_interrupted()
                self.runner.send_message(STOP)
                self._await_last_figures()
            self._over = True
            self.conclude()

    def stop_users(self) -> None:
        """The master says that the run is over, or this worker was asked to quit."""
        with self._ending_now:
            self.runner.stop()

    def quit(self) -> None:
        """Locust ends, and a run under way with it: Ctrl-C or SIGTERM, unless its time was up."""
        if isinstance(self.runner, WorkerRunner):
            self.stop_users()
            return
        with self._ending_now:
            if self._observer is None:
                return
            self._mark_interrupted()
            self.runner.quit()
            self.conclude()

    def conclude(self) -> None:
        """Have the run judged and written, once."""
        observer, self._observer = self._observer, None
        if observer is None or self._ending is None:
            return
        observer.__exit__(None, None, None)
        self.part.stop()
        lost = self._lost()
        if not isinstance(self.runner, MasterRunner) or not self._messages:
            self._messages["locust"] = self.part.to_message()
        measured = Measured(
            started_at=self._started_at,
            parts=self._messages,
            watched=observer.watched(),
            lost=lost,
            setup_error=self._setup_error,
            ended=self._ended,
        )
        self._verdict, code = self._ending.conclude(measured, self._environment)
        self._environment.process_exit_code = code
        if self._environment.web_ui is not None:
            self.show()

    def show(self) -> None:
        """Print the last verdict, once: beside the page at once, else after Locust's tables."""
        sys.stdout.write(self._verdict)
        sys.stdout.flush()
        self._verdict = ""

    def fail_setup(self, error: StraingaugeError) -> None:
        """A user could not begin: tell whoever leads this run, which ends it."""
        self.runner.send_message(SETUP_FAILED, {"message": str(error), "hint": error.hint})

    def setup_failed(self, message: str, hint: str | None) -> None:
        """A user, here or in a worker, could not begin: end the run, with one message for all."""
        if self._setup_error is not None:
            return
        self._setup_error = TargetError(message, hint)
        logger.error("setup failed: %s%s", message, f"; try: {hint}" if hint else "")
        headless = self._environment.web_ui is None
        gevent.spawn(self.runner.quit if headless else self.runner.stop)

    def report(self, data: dict[str, Any]) -> None:
        """Add this worker's figures to its report."""
        data[REPORT] = self.part.to_message()

    def reported(self, worker: str, data: Mapping[str, Any]) -> None:
        """Keep a worker's figures; they replace those it sent before."""
        if REPORT in data:
            self._messages[worker] = data[REPORT]

    def last_figures(self, worker: str, data: Mapping[str, Any]) -> None:
        """A worker's users have stopped, and these are all its figures."""
        self._messages[worker] = data
        self._done.add(worker)
        self._one_done.set()

    def _mark_interrupted(self) -> None:
        options = self._environment.parsed_options
        if not self._over and options is not None and options.run_time is not None:
            self._ended = f"interrupted (it was to take {options.run_time} s)"

    def _await_last_figures(self) -> None:
        limit_s = LAST_FIGURES_S + self._environment.stop_timeout
        with gevent.Timeout(limit_s, False):  # noqa: FBT003  gevent's way to go on when it is over
            while self._awaited():
                self._one_done.clear()
                self._one_done.wait(HEARTBEAT_INTERVAL)  # or somebody's heart has stopped

    def _awaited(self) -> set[str]:
        """Workers whose last figures are not here."""
        if not isinstance(self.runner, MasterRunner):
            return set()
        clients = self.runner.clients
        alive = {name for name in clients if clients[name].state != STATE_MISSING}
        return alive - self._done

    def _lost(self) -> tuple[LostProcess, ...]:
        """Workers that took part and did not live to send their last figures."""
        if not isinstance(self.runner, MasterRunner):
            return ()
        silent = self._awaited()
        gone = (self._members | self._messages.keys()) - self._done - silent
        unreported = self._unreported()
        return (
            *(LostProcess(name, "its heartbeat stopped", unreported) for name in sorted(gone)),
            *(LostProcess(name, "its last figures never came", unreported) for name in silent),
        )

    def _unreported(self) -> int:
        """What a worker may have measured since its last report, at the busiest one's rate."""
        rates_per_s = [
            part["requests"] / part["engine"]["duration_s"] for part in self._messages.values()
        ]
        return math.ceil(max(rates_per_s, default=0.0) * WORKER_REPORT_INTERVAL)

    def _place(self) -> int:
        return max(0, self.runner.worker_index) if isinstance(self.runner, WorkerRunner) else 0

    def _workers(self) -> int:
        if not isinstance(self.runner, WorkerRunner):
            return 1
        options = self._environment.parsed_options
        return max(1, int(options.expect_workers)) if options is not None else 1
