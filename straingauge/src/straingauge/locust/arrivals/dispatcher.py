"""Where arrivals meet users: the open model within Locust, in each of its processes.

While a shape of `straingauge.locust.arrivals.shapes` runs, a user waits here between two tasks,
instead of the wait it was written with, until an arrival is due. An arrival goes to the user that
has been free the longest; where none is, it waits for the next one, and its response time counts
from when it was due.
"""

from bisect import bisect_left
from collections import deque
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

from straingauge.locust.arrivals.schedule_lag import ScheduleLag
from straingauge.locust.events import session_of
from straingauge.schedule import Arrivals, chain, constant, poisson, ramp, share, spike, steps

OPEN: Final = "straingauge_arrivals_open"
SHARE: Final = "straingauge_arrivals_share"
STATE: Final = "straingauge_arrivals_state"
MOST_WAITING: Final = 100_000
UNTOLD: Final = 0
"""The run of a worker whose locustfile has a shape of arrivals, before its master tells it more."""
_IN_A_ROW: Final = 256  # arrivals handled before others have a turn, when many are due at once
_TELL_AFTER_S: Final = 0.1  # so that a thousand users who are ready are one message
_SCHEDULES: Final[Mapping[str, Callable[..., Arrivals]]] = {
    "constant": constant,
    "poisson": poisson,
    "ramp": ramp,
    "steps": steps,
    "spike": spike,
}

Link = tuple[str, Mapping[str, Any]]
"""A schedule as it travels: its function's name in `straingauge.schedule`, and its arguments."""


def schedule_of(links: Sequence[Link]) -> Arrivals:
    """One schedule after the other.

    Raises:
        UsageError: an argument is out of its range.
    """
    return chain([_SCHEDULES[name](**arguments) for name, arguments in links])


class ArrivalDispatcher:
    """Matches the arrivals of one process with its free users, first come, first served."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._run: int | None = None
        self._arriving: gevent.Greenlet | None = None
        self._telling: gevent.Greenlet | None = None
        self._clear()

    def _clear(self) -> None:
        self._known: WeakSet[LocustUser] = WeakSet()
        self._playing: WeakSet[LocustUser] = WeakSet()
        self._free: deque[AsyncResult[int]] = deque()
        self._waiting: deque[int] = deque()
        self._all_came = False
        self._told: dict[str, Any] = {}

    @property
    def open(self) -> bool:
        """Whether users wait for arrivals."""
        return self._run is not None

    def open_for(self, run: int | None) -> None:
        """The master says which run this is; None: its users do as they are written."""
        if run is None:
            for turn in self._free:
                turn.set(monotonic_ns())
        if run is None or self._run not in (run, UNTOLD):
            self._clear()
        self._run = run

    # The users.

    def take_turn(self, user: LocustUser) -> int:
        """Wait until there is an arrival for this user.

        Returns:
            When it was due (`time.monotonic_ns`).
        """
        self._playing.discard(user)
        self._known.add(user)
        self._tell_soon()
        due_ns = self._waiting.popleft() if self._waiting else self._wait()
        self._playing.add(user)
        return due_ns

    def _wait(self) -> int:
        turn: AsyncResult[int] = AsyncResult()
        self._free.append(turn)
        try:
            due_ns: int = turn.get()
        except BaseException:  # this user is stopped
            if turn.ready():
                self._lateness.dropped += 1
            else:
                self._free.remove(turn)
            raise
        return due_ns

    # The arrivals.

    def begin(self, links: Sequence[Link], i: int, n: int, elapsed_s: float) -> None:
        """From now on, take every n-th arrival of a schedule from the i-th on.

        Args:
            links: the whole schedule.
            i: number of this process's share.
            n: how many shares there are.
            elapsed_s: how far the schedule is; what was due before is others' business.
        """
        start_ns = monotonic_ns() - round(elapsed_s * 1e9)
        self._stop()
        self._all_came = False
        mine = share(schedule_of(links), i, n)
        assert mine.count is not None  # a chain's
        first = bisect_left(range(mine.count), elapsed_s, key=lambda k: mine.arrivals(k) or 0.0)
        self._arriving = gevent.spawn(self._arrive, mine, first, start_ns)

    def end(self) -> None:
        """No further arrivals; those that wait are still served."""
        self._stop()
        self._all_came = True
        self._tell_soon()

    def drop_queued(self) -> None:
        """The run ends: whoever still waits never starts."""
        self._stop()
        self._lateness.dropped += len(self._waiting)
        self._waiting.clear()

    def _stop(self) -> None:
        if self._arriving is not None:
            self._arriving.kill()

    def _arrive(self, arrivals: Arrivals, first: int, start_ns: int) -> None:
        n = first
        while (due_s := arrivals.arrivals(n)) is not None:
            due_ns = start_ns + round(due_s * 1e9)
            while (early_ns := due_ns - monotonic_ns()) > 0:
                gevent.get_hub().loop.update_now()  # or the sleep counts from its last round
                gevent.sleep(early_ns / 1e9)
            self._serve(due_ns)
            n += 1
            if n % _IN_A_ROW == 0:
                gevent.sleep(0)
        self._all_came = True
        self._tell_soon()

    def _serve(self, due_ns: int) -> None:
        lateness = self._lateness
        lateness.add(monotonic_ns() - due_ns)
        if self._free:
            self._free.popleft().set(due_ns)
        elif len(self._waiting) < MOST_WAITING:
            lateness.waited += 1
            self._waiting.append(due_ns)
        else:
            lateness.dropped += 1

    @property
    def _lateness(self) -> ScheduleLag:
        return session_of(self._environment).part.lateness

    # The master.

    def _tell_soon(self) -> None:
        if self._state() != self._told and not self._telling:
            self._telling = gevent.spawn_later(_TELL_AFTER_S, self._tell)

    def _tell(self) -> None:
        runner = self._environment.runner
        assert runner is not None
        self._told = self._state()
        runner.send_message(STATE, self._told)

    def _state(self) -> dict[str, Any]:
        over = self._all_came and not self._waiting and not self._playing
        return {"run": self._run, "ready": len(self._known), "over": over}


_desks: WeakKeyDictionary[Environment, ArrivalDispatcher] = WeakKeyDictionary()


def dispatcher_of(environment: Environment) -> ArrivalDispatcher:
    """The desk of this Locust process."""
    return _desks[environment]


@events.init.add_listener
def _set_up(environment: Environment, **_: object) -> None:
    runner = environment.runner
    assert runner is not None
    desk = _desks[environment] = ArrivalDispatcher(environment)

    def on_open(msg: Message, **_: object) -> None:
        desk.open_for(msg.data["run"])

    def on_share(msg: Message, **_: object) -> None:
        desk.begin(**msg.data) if msg.data else desk.end()

    if not isinstance(runner, MasterRunner):
        runner.register_message(OPEN, on_open)
        runner.register_message(SHARE, on_share)
        environment.events.test_stopping.add_listener(lambda **_: desk.drop_queued())
