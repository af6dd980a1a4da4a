"""One Locust process and the runs it sees come and go.

A process is alone, or a worker that reports to a master, or that master. Whoever is no worker
watches the service, and when a run ends has it judged and written (`straingauge.locust.outcome`).
A worker's figures come with Locust's reports, every 3 s, and once more when its users have stopped:
the master waits for those, since without them a run would miss its end.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from gevent import GreenletExit, spawn
from gevent.lock import RLock
from locust.env import Environment
from locust.runners import Runner, WorkerRunner
from locust.user.users import User as LocustUser

from straingauge.errors import InvalidRun, StraingaugeError, TargetError, UsageError
from straingauge.journey import Account, User
from straingauge.locust.distributed.fingerprint import Files
from straingauge.locust.distributed.master import MasterSide
from straingauge.locust.distributed.process_stats import ProcessStats
from straingauge.locust.distributed.worker import WorkerSide
from straingauge.locust.evaluation import LiveEvaluator, Observe
from straingauge.locust.outcome import Ended, Measured, ResultBuilder
from straingauge.locust.target import require_host
from straingauge.locust.user.selection import shape_of
from straingauge.locust.user.user_ids import UserIdAllocator

logger = logging.getLogger(__name__)

SETUP_FAILED: Final = "straingauge_setup_failed"


class Session:
    """What straingauge keeps for one Locust process.

    Args:
        environment: Locust's.
        ending: What is demanded of runs, and where their results go; of a worker, where those go
            whose master is lost.
        observe: Makes what watches the service at an address.
        allowed_hosts: Hosts elsewhere that may be put under load.
        leading: Of a master, what it keeps of its workers.
        modules: Of a worker, which version of the load test it has.
        quiet_s: For how long the service is watched after a run.

    Attributes:
        seats: Numbers for its users, and so their accounts.
        part: This process's figures in the run under way, or in the last one.
        runner: Locust's own.
    """

    def __init__(
        self,
        environment: Environment,
        ending: ResultBuilder,
        *,
        observe: Observe,
        allowed_hosts: Iterable[str],
        leading: MasterSide | None = None,
        modules: Files | None = None,
        quiet_s: float = 0.0,
    ) -> None:
        assert environment.runner is not None
        self.runner: Runner = environment.runner
        self._allowed_hosts = tuple(allowed_hosts)
        self.leading = leading
        self.following: WorkerSide | None = None
        if isinstance(self.runner, WorkerRunner):
            told = self._announced, self._lost_master
            self.following = WorkerSide(self.runner, modules or {}, *told)
        self.part = ProcessStats(0, time.monotonic_ns())
        self.seats = UserIdAllocator(self._share)
        self._environment = environment
        self._judging = LiveEvaluator(environment, ending, observe, quiet_s)
        self._started_at = ""
        self._ending_now = RLock()  # a signal may come while a run ends by itself
        self._setup_error: StraingaugeError | None = None
        self._under_way = False
        self._stopped_early: str | None = None

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Hosts elsewhere that may be put under load: those named here, and to the master."""
        options = self._environment.parsed_options
        told = options.allow_host if options is not None else ()
        return tuple(dict.fromkeys((*self._allowed_hosts, *told)))

    def player(self, account: Account | None) -> User:
        """A new user's side of the journeys, with a number of its own.

        Raises:
            GreenletExit: No user shall begin, this one least of all.
        """
        index = self.seats.take()
        try:
            return User(index, dict(account(index)) if account else None)
        except StraingaugeError as error:
            self.fail_setup(error)
        except Exception as error:  # noqa: BLE001  whatever the journeys' author has made of it
            self.fail_setup(UsageError(f"account({index}) failed: {type(error).__name__}: {error}"))
        raise GreenletExit

    def on_request(self, **event: Any) -> None:  # noqa: ANN401  Locust's event, as it comes
        """A request of any user has ended."""
        self.part.recording.on_request(**event)

    def on_user_error(
        self, user_instance: LocustUser, exception: BaseException, **_: object
    ) -> None:
        """A task has let an exception out: Locust goes on, the record knows."""
        self.part.recording.task_error(type(user_instance).__name__, exception)

    def begin(self) -> None:
        """A run begins: its time, once the service is watched, which takes some."""
        with self._ending_now:  # the one before may still be judged
            self._setup_error = self._stopped_early = None
            self._judging.begin()
            self._started_at = datetime.now().astimezone().isoformat(timespec="seconds")
            self.seats = UserIdAllocator(self._share)
            if self.following is None:
                self._watch()
            if self.leading is not None:
                self.leading.begin(time.monotonic_ns())
            self._new_part()
            self._under_way = True

    def _watch(self) -> None:
        try:
            host = require_host(self._environment, self.allowed_hosts)
        except StraingaugeError as error:
            self._call_off(error)
        else:
            self._judging.watch(host)

    def end(self) -> None:
        """A run has ended here: its users have stopped, or for a master, are about to."""
        with self._ending_now:
            if not self._under_way:
                return
            if self.leading is not None:
                self._gather(self.leading)
            try:
                if self.following is None:
                    self._conclude()
                elif self.following.silent:
                    self._survive(self.following)
                else:
                    self.following.hand_in(self.part)
            finally:
                self._under_way = False

    def stop_users(self) -> None:
        """The master says that the run is over, or this worker was asked to quit."""
        with self._ending_now:
            self.runner.stop()

    def quit(self) -> None:
        """Locust ends, and a run under way with it: Ctrl-C or SIGTERM, unless its time was up."""
        if self.following is not None:
            self.stop_users()
            return
        with self._ending_now:
            if self._under_way:
                self._interrupted()
                self.runner.quit()
                self.end()  # Locust says nothing of the end of a run that has lost its workers

    def show(self) -> None:
        """Print the last verdict, if that was not done."""
        self._judging.show()

    def result_so_far(self) -> Mapping[str, Any] | None:
        """The run judged by what there is of it, or the last one that ended; None before any.

        Judging takes a moment in which a process that is alone sends nothing: ask as often as you
        like, it is done anew no more often than its share of the time allows.
        """
        if self.following is not None or not self._under_way:
            return self.ended.result if self.ended else None
        return self._judging.so_far(self._measured)

    @property
    def ended(self) -> Ended | None:
        """The last run that was judged here."""
        return self._judging.ended

    def fail_setup(self, error: StraingaugeError) -> None:
        """A user could not begin: tell whoever leads this run, which ends it."""
        usage = isinstance(error, UsageError)
        told = {"message": str(error), "hint": error.hint, "usage": usage}
        self.runner.send_message(SETUP_FAILED, told)

    def setup_failed(self, message: str, hint: str | None, *, usage: bool) -> None:
        """A user, here or in a worker, could not begin: end the run, with one message for all."""
        self._call_off((UsageError if usage else TargetError)(message, hint))

    def _call_off(self, error: StraingaugeError) -> None:
        if self._setup_error is not None:
            return
        self._setup_error = error
        logger.error("setup failed: %s", error.with_hint)
        headless = self._environment.web_ui is None
        spawn(self.runner.quit if headless else self.runner.stop)

    def _announced(self) -> None:
        """The master has told of a run; of one that is under way, after it had users begin."""
        if self._under_way and not self.part.recording.requests:
            self._new_part()

    def _new_part(self) -> None:
        self.part.stop()
        run = self.following.run if self.following is not None else None
        origin_ns = self.following.origin_ns() if self.following else time.monotonic_ns()
        self.part = ProcessStats(run.number if run else 0, origin_ns)

    def _gather(self, leading: MasterSide) -> None:
        if not leading.alive:  # Ctrl-C came to the workers too, and they were quicker
            self._interrupted()
        leading.gather()
        if not leading.alive and leading.roster.lost((), time.monotonic_ns()):
            self._stopped_early = "all its workers were lost"
            if self._environment.web_ui is None:
                spawn(self.runner.quit)

    def _conclude(self) -> None:
        """Have the run judged and written."""
        self._judging.rest(whole=self._stopped_early is None and self._setup_error is None)
        self._judging.conclude(self._measured(), show=True)
        self.part.stop()

    def _survive(self, following: WorkerSide) -> None:
        """Keep what was measured here, though nobody is there to put it with the others'."""
        self._stopped_early = f"the master at {following.master} was lost"
        ended = self._judging.conclude(self._measured(), show=False)
        kept = f"kept in {ended.path}" if ended.path else "lost"
        logger.error("%s; what this worker measured is %s", self._stopped_early, kept)
        self.part.stop()

    def _lost_master(self) -> None:
        following = self.following
        assert following is not None
        if not self._under_way:
            logger.error("the master at %s is gone: nothing is left to do here", following.master)
            self._environment.process_exit_code = InvalidRun.exit_code
        self.stop_users()
        self.runner.quit()

    def _measured(self) -> Measured:
        measured = Measured(
            started_at=self._started_at,
            parts={"locust": self.part.to_message()},
            watched=self._judging.watched,
            setup_error=self._setup_error,
            ended=self._stopped_early,
        )
        return measured if self.leading is None else self.leading.measured(measured)

    def _interrupted(self) -> None:
        options, shape = self._environment.parsed_options, shape_of(self._environment)
        to_take_s = shape["duration_s"] if shape else options and options.run_time
        if self._under_way and to_take_s is not None:
            self._stopped_early = f"interrupted (it was to take {to_take_s:g} s)"

    def _share(self) -> tuple[int, int]:
        """The number of this process's first user, and how far it is from each to the next.

        Raises:
            GreenletExit: No user shall begin.
        """
        if self._setup_error is not None:
            raise GreenletExit
        if self.following is None:
            return 0, 1
        return self.following.share()
