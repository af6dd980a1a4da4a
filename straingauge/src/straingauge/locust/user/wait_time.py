"""Waits that keep a pace: each task run is due at a moment of its own, whatever the service does.

Locust's `constant_pacing` and `constant_throughput` begin their pace anew when a task took longer
than it: the runs that a frozen service held up are never made, and of a freeze of 0.5 s all that
shows is one slow request for each user (Gil Tene's "coordinated omission"). Here run n is due n
times the pace after the user's first task. A user that is late catches up, without a wait, and the
response time of a run's first request counts from when the run was due.

A locustfile needs no change for that: in a `JourneyUser`, and in the task sets it plays, Locust's
own `constant_pacing`, `constant_throughput` and `poisson` are replaced by those of this module. For
Locust's way, import ours and give ``catch_up=False``: a late user stays late, the runs it missed
count as dropped, and what it does send still counts from when it was due.
"""

import inspect
import random
from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import gevent
import locust
from locust import TaskSet
from locust.env import Environment
from locust.user.users import User as LocustUser

from straingauge.errors import UsageError
from straingauge.locust.arrivals.dispatcher import dispatcher_of
from straingauge.locust.events import session_of

WaitTime: TypeAlias = Callable[[Any], float]
"""What Locust calls after each task, with the user or its task set: seconds to wait."""


def constant_pacing(wait_time: float, *, catch_up: bool = True) -> WaitTime:
    """A task run every `wait_time` seconds for each user.

    Args:
        wait_time: seconds from one due moment to the next.
        catch_up: whether a late user makes the runs it missed, at once.

    Raises:
        UsageError: `wait_time` is not more than 0.
    """
    _require_positive("constant_pacing", wait_time)
    gap_ns = round(wait_time * 1e9)
    return _paced(lambda: gap_ns, catch_up=catch_up)


def constant_throughput(task_runs_per_second: float, *, catch_up: bool = True) -> WaitTime:
    """So many task runs a second for each user; see `constant_pacing`."""
    _require_positive("constant_throughput", task_runs_per_second)
    return constant_pacing(1 / task_runs_per_second, catch_up=catch_up)


def poisson(rate: float, *, catch_up: bool = True) -> WaitTime:
    """Task runs at random moments, `rate` a second on average for each user.

    The gaps between due moments are exponential (Kingman, Poisson Processes, 1993, section 4.1).
    Locust's own draws the wait *after* a task from them, so that its rate falls with each answer's
    delay.

    Raises:
        UsageError: `rate` is not more than 0.
    """
    _require_positive("poisson", rate)
    return _paced(lambda: round(random.expovariate(rate) * 1e9), catch_up=catch_up)


def synchronized(every_s: float) -> WaitTime:
    """A wave every so many seconds: all users of all processes run a task at the same moment.

    By the clock of the day, whose seconds machines agree on. Who is still at it when a wave comes
    joins the next one, and the wave it missed counts as dropped.

    Raises:
        UsageError: `every_s` is not more than 0.
    """
    _require_positive("together", every_s)
    every_ns = round(every_s * 1e9)
    joined: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def wait_time(of: LocustUser | TaskSet) -> float:
        user = of if isinstance(of, LocustUser) else of.user
        now_ns, day_ns = monotonic_ns(), time_ns()
        wave = day_ns // every_ns + 1
        wait_ns = wave * every_ns - day_ns
        missed = wave - joined.get(of, wave - 1) - 1
        session_of(user.environment).part.lateness.dropped += max(missed, 0)
        joined[of] = wave
        user.due_ns = now_ns + wait_ns  # type: ignore[attr-defined]  # a plain one bears it
        gevent.get_hub().loop.update_now()  # or the sleep counts from its last round
        return wait_ns / 1e9

    return wait_time


def _require_positive(function: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise UsageError(f"{function}() needs a number more than 0, not {value}")


def _paced(gap_ns: Callable[[], int], *, catch_up: bool) -> WaitTime:
    dues_ns: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def wait_time(of: LocustUser | TaskSet) -> float:
        user = of if isinstance(of, LocustUser) else of.user
        now_ns, gap = monotonic_ns(), gap_ns()
        due_ns = dues_ns.get(of, getattr(of, "began_ns", None) or now_ns) + gap
        dues_ns[of] = user.due_ns = due_ns  # type: ignore[attr-defined]  # a plain one bears it
        if due_ns > now_ns:
            gevent.get_hub().loop.update_now()  # or the sleep counts from its last round
            return (due_ns - now_ns) / 1e9
        lateness = session_of(user.environment).part.lateness
        lateness.waited += 1
        if not catch_up:
            dues_ns[of] = now_ns
            lateness.dropped += (now_ns - due_ns) // max(gap, 1)
        return 0.0

    return wait_time


_LOCUSTS_PACING = locust.constant_pacing(1).__code__  # that of all it ever returns
_LOCUSTS_POISSON = locust.poisson(1).__code__


def kept(wait_time: Any) -> Any:  # noqa: ANN401  whatever stands there in a class
    """A wait of Locust's own that promises a pace, as one that keeps it; any other as it is."""
    code = getattr(wait_time, "__code__", None)
    if code is _LOCUSTS_PACING:
        return constant_pacing(inspect.getclosurevars(wait_time).nonlocals["wait_time"])
    if code is _LOCUSTS_POISSON:
        return poisson(inspect.getclosurevars(wait_time).nonlocals["rate"])
    return wait_time


def _keep_paces(of: type) -> None:
    """Replace the waits of a user class or task set, and of the task sets within it."""
    if "wait_time" in vars(of):
        of.wait_time = kept(vars(of)["wait_time"])  # type: ignore[attr-defined]
    for task in getattr(of, "tasks", ()):
        if isinstance(task, type):
            _keep_paces(task)


class Paced(LocustUser):
    """A user whose task runs may be due at a moment of their own, by its pace or by a shape.

    Attributes:
        began_ns: when its first task began (`time.monotonic_ns`), where its pace counts from.
        due_ns: when the request to come should have started, where that is known.
    """

    abstract = True
    began_ns: int | None = None
    due_ns: int | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _keep_paces(cls)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        own_start, own_wait_time = self.on_start, self.wait_time
        desk = dispatcher_of(environment)

        def on_start() -> None:
            own_start()
            if desk.open:
                self.wait()  # the first task needs an arrival like any other
            self.began_ns = monotonic_ns()

        def wait_time() -> float:
            if not desk.open:
                return own_wait_time()
            self.due_ns = desk.take_turn(self)
            return 0.0

        # Of the object, so that a class which overrides them has no need to know.
        vars(self).update(on_start=on_start, wait_time=wait_time)

    def take_due_ns(self) -> int:
        """When the request that starts now should have: now, unless it was due before."""
        due_ns, self.due_ns = self.due_ns, None
        now_ns = monotonic_ns()
        return now_ns if due_ns is None else min(due_ns, now_ns)
