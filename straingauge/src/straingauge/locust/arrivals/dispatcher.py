"""Dispatch of arrivals to users within one Locust process: the open model.

While a shape of `straingauge.locust.arrivals.shapes` runs, a user waits between two tasks until an
arrival is due, instead of for its own wait time. An arrival goes to the user that has been free the
longest. If no user is free, the arrival is queued for the next one, and its response time counts
from when it was due (no coordinated omission).
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from time import monotonic_ns
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

import gevent
from gevent.event import AsyncResult
from locust import events
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner
from locust.user.users import User as LocustUser

from straingauge.engine.arrival_queue import ArrivalQueue
from straingauge.engine.schedule_lag import ScheduleLag
from straingauge.errors import UsageError
from straingauge.locust.events import get_session
from straingauge.schedule import (
    Arrivals,
    RampingRate,
    chain,
    constant,
    poisson,
    ramp,
    share,
    spike,
    stages,
    steps,
)

RUN: Final = "straingauge_arrivals_run"
SHARD: Final = "straingauge_arrivals_shard"
STATE: Final = "straingauge_arrivals_state"
UNKNOWN_RUN: Final = 0
"""The run of a worker whose locustfile has a shape, until its master announces one."""
_BATCH: Final = 256  # arrivals handled before other greenlets run, if many are due at once
_REPORT_DELAY_S: Final = 0.1  # so that a thousand ready users are one message


def _rate_stages(texts: Sequence[str]) -> RampingRate:
    """Return the schedule of stages by arrival rate; raises UsageError."""
    found = stages(*texts)
    if not isinstance(found, RampingRate):
        raise UsageError(
            f"the stages {', '.join(texts)} are numbers of users",
            hint='give each a unit such as "30s:100/s", or derive the shape from UserStages',
        )
    return found


_SCHEDULES: Final[Mapping[str, Callable[..., Arrivals]]] = {
    "constant": constant,
    "poisson": poisson,
    "ramp": ramp,
    "steps": steps,
    "spike": spike,
    "stages": _rate_stages,
}

ScheduleSpec = tuple[str, Mapping[str, Any]]
"""A schedule in a message: name of a function in `straingauge.schedule`, and its arguments."""


def build_schedule(specs: Sequence[ScheduleSpec]) -> Arrivals:
    """Build one schedule after the other.

    Raises:
        UsageError: An argument is out of range.
    """
    return chain([_SCHEDULES[name](**arguments) for name, arguments in specs])


class ArrivalDispatcher:
    """Assigns the arrivals of one process to its free users, first come, first served."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._run_id: int | None = None
        self._arriving: gevent.Greenlet | None = None
        self._reporting: gevent.Greenlet | None = None
        self._clear()

    def _clear(self) -> None:
        self._ready: WeakSet[LocustUser] = WeakSet()
        self._busy: WeakSet[LocustUser] = WeakSet()
        self._queue: ArrivalQueue[AsyncResult[int]] = ArrivalQueue()
        self._all_arrived = False
        self._reported: dict[str, Any] = {}

    @property
    def is_active(self) -> bool:
        """Users wait for arrivals instead of for their own wait times."""
        return self._run_id is not None

    def set_run(self, run_id: int | None) -> None:
        """Set the current run; None if its users keep their own wait times."""
        if run_id is None:
            for arrival in self._queue.remove_all():
                arrival.set(monotonic_ns())
        if run_id is None or self._run_id not in (run_id, UNKNOWN_RUN):
            self._clear()
        self._run_id = run_id

    # Users.

    def wait_for_arrival(self, user: LocustUser) -> int:
        """Wait until an arrival is due for this user.

        Returns:
            When it was due (`time.monotonic_ns`).
        """
        self._busy.discard(user)
        self._ready.add(user)
        self._report_soon()
        due_ns = self._wait()
        self._busy.add(user)
        return due_ns

    def _wait(self) -> int:
        arrival: AsyncResult[int] = AsyncResult()
        queued = self._queue.release(arrival)
        if queued is not None:
            return queued[1]
        try:
            due_ns: int = arrival.get()
        except BaseException:  # this user is stopped
            if arrival.ready():
                self._schedule_lag.dropped += 1
            else:
                self._queue.remove(arrival)
            raise
        return due_ns

    # Arrivals.

    def start(
        self, specs: Sequence[ScheduleSpec], index: int, shards: int, elapsed_s: float
    ) -> None:
        """Dispatch one shard of a schedule: every `shards`-th arrival from `index` on.

        Args:
            specs: The whole schedule.
            index: Number of this process's shard.
            shards: Number of shards.
            elapsed_s: Position in the schedule; other processes had the arrivals before it.
        """
        start_ns = monotonic_ns() - round(elapsed_s * 1e9)
        self._stop()
        self._all_arrived = False
        shard = share(build_schedule(specs), index, shards)
        assert shard.count is not None  # a chain has one
        first = bisect_left(range(shard.count), elapsed_s, key=lambda k: shard.arrivals(k) or 0.0)
        self._arriving = gevent.spawn(self._run_schedule, shard, first, start_ns)

    def end(self) -> None:
        """Dispatch no further arrivals; queued ones are still served."""
        self._stop()
        self._all_arrived = True
        self._report_soon()

    def drop_queued(self) -> None:
        """End, and drop the queued arrivals."""
        self._stop()
        self._queue.drop_queued(self._schedule_lag)

    def _stop(self) -> None:
        if self._arriving is not None:
            self._arriving.kill()

    def _run_schedule(self, arrivals: Arrivals, first: int, start_ns: int) -> None:
        n = first
        while (due_s := arrivals.arrivals(n)) is not None:
            due_ns = start_ns + round(due_s * 1e9)
            while (early_ns := due_ns - monotonic_ns()) > 0:
                gevent.get_hub().loop.update_now()  # else the sleep counts from an older time
                gevent.sleep(early_ns / 1e9)
            if (user := self._queue.arrive(n, due_ns, self._schedule_lag)) is not None:
                user.set(due_ns)
            n += 1
            if n % _BATCH == 0:
                gevent.sleep(0)
        self._all_arrived = True
        self._report_soon()

    @property
    def _schedule_lag(self) -> ScheduleLag:
        return get_session(self._environment).stats.schedule_lag

    # Reports to the master.

    def _report_soon(self) -> None:
        if self._state() != self._reported and not self._reporting:
            self._reporting = gevent.spawn_later(_REPORT_DELAY_S, self._report)

    def _report(self) -> None:
        runner = self._environment.runner
        assert runner is not None
        self._reported = self._state()
        runner.send_message(STATE, self._reported)

    def _state(self) -> dict[str, Any]:
        done = self._all_arrived and not self._queue.queued and not self._busy
        return {"run_id": self._run_id, "ready": len(self._ready), "done": done}


_dispatchers: WeakKeyDictionary[Environment, ArrivalDispatcher] = WeakKeyDictionary()


def get_dispatcher(environment: Environment) -> ArrivalDispatcher:
    """Return the dispatcher of this Locust process."""
    return _dispatchers[environment]


@events.init.add_listener
def _on_init(environment: Environment, **_: object) -> None:
    runner = environment.runner
    assert runner is not None
    dispatcher = _dispatchers[environment] = ArrivalDispatcher(environment)

    def on_run(msg: Message, **_: object) -> None:
        dispatcher.set_run(msg.data["run_id"])

    def on_shard(msg: Message, **_: object) -> None:
        dispatcher.start(**msg.data) if msg.data else dispatcher.end()

    if not isinstance(runner, MasterRunner):
        runner.register_message(RUN, on_run)
        runner.register_message(SHARD, on_shard)
        environment.events.test_stopping.add_listener(lambda **_: dispatcher.drop_queued())
