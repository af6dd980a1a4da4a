"""The session of one Locust process: the runs that start and end in it.

A process is standalone, a worker, or a master. A process that is not a worker observes the service,
and judges and writes each run when it ends (`straingauge.locust.result_builder`). A worker's
measurements travel with Locust's own reports, every 3 s, and once more when its users have stopped.
"""

import logging
import sys
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final

from gevent import GreenletExit, spawn
from gevent.lock import RLock
from locust.env import Environment
from locust.runners import Runner, WorkerRunner
from locust.user.users import User as LocustUser

from straingauge.errors import InvalidRun, StraingaugeError, TargetError, UsageError
from straingauge.feeders import FeederEnd, begin_load, end_load
from straingauge.http.settings import HttpSettings
from straingauge.journey import Account, User
from straingauge.locust.abort_loop import AbortLoop
from straingauge.locust.distributed.master import MasterRole
from straingauge.locust.distributed.messages import LOAD_END, RESET_STATS, SETUP_FAILED
from straingauge.locust.distributed.process_stats import ProcessStats
from straingauge.locust.distributed.worker import WorkerRole
from straingauge.locust.evaluation import Inspect, LiveEvaluator, MakeObserver
from straingauge.locust.options import allowed_hosts, sends_traceparent
from straingauge.locust.result_builder import FinishedRun, ResultBuilder, RunSnapshot
from straingauge.locust.run_outcome import RunOutcome
from straingauge.locust.target import require_host
from straingauge.locust.user.selection import get_planned_s
from straingauge.workers import Ending
from straingauge.workers.fingerprint import Fingerprints
from straingauge.workers.run_clock import read_clocks
from straingauge.workers.user_ids import UserIdAllocator

logger = logging.getLogger(__name__)

_NOT_STARTED: Final = "stopped before its users started, while the service was observed at first"


class Session:
    """The state of straingauge in one Locust process.

    Args:
        environment: Locust's environment.
        builder: Builds results; a worker's own results are written only if its master is lost.
        make_observer: Makes the observer of the service at a URL.
        inspect: Begins to look inside the service at a URL.
        allowed_hosts: Hosts other than this machine that may be put under load.
        master: A master's connections to its workers.
        modules: Fingerprints of a worker's load test.
        cooldown_s: Seconds to observe the service after a run.
        abort_dead_s: End a run after this time without any response; None for no such end.

    Attributes:
        runner: Locust's runner.
        worker: A worker's connection to its master.
        stats: Measurements of this process in the current run, or in the last one.
        user_ids: Numbers of the users, and so their accounts.
    """

    def __init__(
        self,
        environment: Environment,
        builder: ResultBuilder,
        *,
        make_observer: MakeObserver,
        inspect: Inspect | None = None,
        allowed_hosts: Iterable[str],
        master: MasterRole | None = None,
        modules: Fingerprints | None = None,
        cooldown_s: float = 0.0,
        abort_dead_s: float | None = None,
    ) -> None:
        assert environment.runner is not None
        self.runner: Runner = environment.runner
        self._allowed_hosts = tuple(allowed_hosts)
        self.master = master
        self.worker: WorkerRole | None = None
        if isinstance(self.runner, WorkerRunner):
            callbacks = self._on_run_announced, self._on_master_lost, self._on_unacknowledged
            self.worker = WorkerRole(self.runner, modules or {}, *callbacks)
        self.stats = ProcessStats(0, time.monotonic_ns())
        self.user_ids = UserIdAllocator(self._user_id_sequence)
        self._environment = environment
        self._evaluator = LiveEvaluator(environment, builder, make_observer, inspect, cooldown_s)
        self._aborts = AbortLoop(
            partial(builder.make_abort_evaluator, abort_dead_s), self._take_snapshot, self._abort
        )
        self._outcome = RunOutcome()
        self._started = "", 0
        self._ending = RLock()  # a signal may arrive while a run ends by itself
        self._is_running = False

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Hosts other than this machine that may be put under load; a worker adds its master's."""
        given = allowed_hosts(self._environment)
        return tuple(dict.fromkeys((*self._allowed_hosts, *given)))

    def create_user(self, account: Account | None, settings: HttpSettings) -> User:
        """Create the user that journeys receive, with its number.

        Raises:
            GreenletExit: The setup of the run failed, so no user may start.
        """
        index = self.user_ids.allocate()
        try:
            return User(index, dict(account(index)) if account else None, settings)
        except StraingaugeError as error:
            self.fail_setup(error)
        except Exception as error:  # noqa: BLE001  from the load test's own code
            self.fail_setup(UsageError(f"account({index}) failed: {type(error).__name__}: {error}"))
        raise GreenletExit

    def on_request(self, **event: Any) -> None:  # noqa: ANN401  Locust's event as it is
        """Record a request of any client."""
        self.stats.recording.on_request(event)

    def on_user_error(
        self, user_instance: LocustUser, exception: BaseException, **_: object
    ) -> None:
        """Record an exception raised by a task."""
        if isinstance(exception, FeederEnd):
            self.end_load(exception)
            if not exception.is_error:
                return
        user = getattr(user_instance, "user", user_instance)  # Locust passes the task set, too
        self.stats.recording.add_task_error(type(user).__name__, exception)

    def start_run(self) -> None:
        """Start a run: observe the service, then start the clock."""
        with self._ending:  # the previous run may still be judged
            self._outcome = RunOutcome()
            self._evaluator.start_run()
            self._started = read_clocks()
            self.user_ids = UserIdAllocator(self._user_id_sequence)
            self._begin_feeders()
            try:
                if self.worker is None:
                    self._observe()
            except GreenletExit:  # Locust stops a run that takes longer to start than --run-time
                self._outcome.stopped_early = _NOT_STARTED
                raise
            finally:
                if self.master is not None:
                    self.master.start_run(time.monotonic_ns())
                self._reset_stats()
                self._is_running = True
                if self.worker is None:
                    self._aborts.start(time.monotonic_ns())
                    self._evaluator.export(self._take_snapshot)
                    self._evaluator.keep(self._take_snapshot)

    def _observe(self) -> None:
        try:
            host = require_host(self._environment, self.allowed_hosts)
        except StraingaugeError as error:
            self._abort_setup(error)
        else:
            self._evaluator.observe(host)

    def end_run(self) -> None:
        """End the run: users have stopped, or those of a master's workers are about to."""
        with self._ending:
            if not self._is_running:
                return
            self._aborts.stop()
            if self.master is not None:
                self._collect_reports(self.master)
            try:
                if self.worker is None:
                    self._finish()
                elif self.worker.is_master_lost:
                    self._finish_alone(f"the master at {self.worker.master_address} was lost")
                else:
                    self.worker.send_final_report(self.stats)
            finally:
                if not isinstance(sys.exception(), GreenletExit):  # Locust quits: see `quit`
                    self._is_running = False
                    end_load()
            if self._outcome.has_lost_workers:
                self._quit_or_stop()

    def reset_stats(self) -> None:
        """Discard what all processes have measured so far, as Locust does with its statistics."""
        if not self._is_running:
            return
        self._outcome.was_reset = True
        self.stats.reset()
        if self.master is not None:
            self.runner.send_message(RESET_STATS)

    def stop_users(self) -> None:
        """Stop all users, by request of the master or because this worker quits."""
        with self._ending:
            self.runner.stop()

    def quit(self) -> None:
        """End the run because Locust quits, as on Ctrl-C or SIGTERM."""
        if self.worker is not None:
            self.stop_users()
            self.worker.await_acknowledgement()
            return
        with self._ending:
            if self._is_running:
                self._outcome.interrupt(get_planned_s(self._environment))
                self.runner.quit()
                self.end_run()  # Locust fires no event if the run has lost its workers
            self._evaluator.close()

    def print_verdict(self) -> None:
        """Print the last verdict, unless it was printed already."""
        self._evaluator.print_verdict()

    def live_result(self) -> Mapping[str, Any] | None:
        """Return the result of the run in progress, or of the last one; None before the first.

        It takes a limited share of a standalone process's time, however often this is called.
        """
        if self.worker is not None or not self._is_running:
            return self.finished_run.result if self.finished_run else None
        return self._evaluator.live_result(self._take_snapshot)

    @property
    def finished_run(self) -> FinishedRun | None:
        """The last run that has ended in this process."""
        return self._evaluator.finished_run

    def fail_setup(self, error: StraingaugeError) -> None:
        """Report that a user could not start, which ends the run, to the master or this process."""
        is_usage = isinstance(error, UsageError)
        data = {"message": str(error), "hint": error.hint, "is_usage": is_usage}
        self.runner.send_message(SETUP_FAILED, data)

    def end_load(self, end: FeederEnd) -> None:
        """Report that a feeder has no further row, which ends the run."""
        self.runner.send_message(LOAD_END, {"reason": str(end)})

    def on_load_end(self, reason: str) -> None:
        """End the run, by intention; only the first reason counts."""
        if self._outcome.load_end is None and self._is_running:
            self._outcome.load_end = reason
            logger.info("%s: the run ends", reason)
            self._quit_or_stop()

    def on_setup_failed(self, message: str, hint: str | None, *, is_usage: bool) -> None:
        """End the run because a user could not start; only the first failure is logged."""
        self._abort_setup((UsageError if is_usage else TargetError)(message, hint))

    def _abort_setup(self, error: StraingaugeError) -> None:
        if self._outcome.setup_error is not None:
            return
        self._outcome.setup_error = error
        logger.error("setup failed: %s", error.with_hint)
        self._quit_or_stop()

    def _quit_or_stop(self) -> None:
        spawn(self.runner.stop if self._environment.web_ui else self.runner.quit)

    def _begin_feeders(self) -> None:
        if self.worker is None:
            begin_load()
            return
        self.worker.row_numbers.begin_run()
        begin_load(numbers=self.worker.row_numbers)

    def _abort(self, ending: Ending) -> None:
        """End the run by an abort rule; what was measured is judged."""
        self._outcome.aborted = ending
        logger.error("aborted after %.1f s: %s", ending.at_s, ending.message)
        self._quit_or_stop()

    def _on_run_announced(self) -> None:
        """Align the stats of a run that started here before the master's announcement arrived."""
        if self._is_running and not self.stats.recording.requests:
            self._reset_stats()

    def _reset_stats(self) -> None:
        self.stats.stop()
        assignment = self.worker.assignment if self.worker is not None else None
        origin_ns = self.worker.origin_ns() if self.worker else time.monotonic_ns()
        run_id = assignment.run_id if assignment else 0
        traceparent = sends_traceparent(self._environment)
        self.stats = ProcessStats(run_id, origin_ns, traceparent=traceparent)

    def _collect_reports(self, master: MasterRole) -> None:
        if not master.alive:  # Ctrl-C reached the workers as well, and they ended first
            self._outcome.interrupt(get_planned_s(self._environment))
        master.end_run()
        if not master.alive and master.workers.lost((), time.monotonic_ns()):
            self._outcome.stopped_early = "all its workers were lost"
            self._outcome.has_lost_workers = True

    def _finish(self) -> None:
        """Judge the run and write its result."""
        self._evaluator.cool_down(complete=self._outcome.is_complete)
        self._evaluator.finish(self._take_snapshot(), print_verdict=True)
        self.stats.stop()

    def _finish_alone(self, reason: str) -> None:
        """Write what this worker measured, because its master does not merge it."""
        self._outcome.stopped_early = reason
        finished = self._evaluator.finish(self._take_snapshot(), print_verdict=False)
        saved = f"saved in {finished.path}" if finished.path else "lost"
        logger.error("%s; the measurements of this worker are %s", reason, saved)
        self.stats.stop()

    def _on_unacknowledged(self, run_id: int) -> None:
        """Write what this worker measured, unless another run has begun since."""
        if self.stats.run_id == run_id:
            self._finish_alone("the master did not acknowledge the final report")

    def _on_master_lost(self) -> None:
        worker = self.worker
        assert worker is not None
        if not self._is_running:
            logger.error("the master at %s is gone; this worker ends", worker.master_address)
            self._environment.process_exit_code = InvalidRun.exit_code
        self.stop_users()
        self.runner.quit()

    def _take_snapshot(self) -> RunSnapshot:
        snapshot = RunSnapshot(
            *(self._started, self.stats.recording.started_ns),
            reports={"locust": self.stats.to_message()},
            observations=self._evaluator.observations,
            setup_error=self._outcome.setup_error,
            stopped_early=self._outcome.stopped_early,
            ending=self._outcome.aborted,
            notes=self._outcome.notes,
        )
        return snapshot if self.master is None else self.master.add_workers(snapshot)

    def _user_id_sequence(self) -> tuple[int, int]:
        """Return the number of this process's first user, and the step to each next one.

        Raises:
            GreenletExit: The setup of the run failed, so no user may start.
        """
        if self._outcome.setup_error is not None:
            raise GreenletExit
        return (0, 1) if self.worker is None else self.worker.user_id_sequence()
