"""Wait times that keep their pace: each task run is due at a given time, however slow the service.

Locust's `constant_pacing` and `constant_throughput` start their pace over if a task took longer
than it. The runs that a stalled service held up are then never made, and a stall of 0.5 s shows as
one slow request per user: coordinated omission (Gil Tene, "How NOT to Measure Latency"). Here, run
n is due n intervals after the user's first task. A late user catches up without waiting, and the
response time of a run's first request counts from when the run was due.

Locustfiles need no change: in a `JourneyUser` and its task sets, Locust's `constant_pacing`,
`constant_throughput` and `poisson` are replaced by those of this module. For Locust's behaviour,
import them from here with ``catch_up=False``: a late user stays late, the runs it missed count as
dropped, and the runs it makes still count from when they were due.
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
from straingauge.locust.arrivals.dispatcher import get_dispatcher
from straingauge.locust.events import get_session

WaitTime: TypeAlias = Callable[[Any], float]
"""Called by Locust after each task, with the user or its task set: returns seconds to wait."""


def constant_pacing(wait_time: float, *, catch_up: bool = True) -> WaitTime:
    """Run a task every `wait_time` seconds for each user.

    Args:
        wait_time: Seconds from one due time to the next.
        catch_up: Make the runs that a late user missed, without waiting between them.

    Raises:
        UsageError: `wait_time` is not greater than 0.
    """
    _require_positive("constant_pacing", wait_time)
    interval_ns = round(wait_time * 1e9)
    return _paced(lambda: interval_ns, catch_up=catch_up)


def constant_throughput(task_runs_per_second: float, *, catch_up: bool = True) -> WaitTime:
    """Run `task_runs_per_second` tasks per second for each user; see `constant_pacing`."""
    _require_positive("constant_throughput", task_runs_per_second)
    return constant_pacing(1 / task_runs_per_second, catch_up=catch_up)


def poisson(rate: float, *, catch_up: bool = True) -> WaitTime:
    """Run tasks at random times, `rate` per second on average for each user.

    The intervals between due times are exponential (Kingman, Poisson Processes, 1993, section
    4.1). Locust's own function draws the wait *after* a task instead, so that its rate falls as
    response times grow.

    Raises:
        UsageError: `rate` is not greater than 0.
    """
    _require_positive("poisson", rate)
    return _paced(lambda: round(random.expovariate(rate) * 1e9), catch_up=catch_up)


def synchronized(every_s: float) -> WaitTime:
    """Run a task every `every_s` seconds at the same time for all users of all processes.

    The times are multiples of `every_s` by the system clock, on which machines agree. A user that
    is busy at one of them joins the next one, and the run it missed counts as dropped.

    Raises:
        UsageError: `every_s` is not greater than 0.
    """
    _require_positive("synchronized", every_s)
    every_ns = round(every_s * 1e9)
    joined: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def wait_time(of: LocustUser | TaskSet) -> float:
        user = of if isinstance(of, LocustUser) else of.user
        now_ns, clock_ns = monotonic_ns(), time_ns()
        wave = clock_ns // every_ns + 1
        wait_ns = wave * every_ns - clock_ns
        missed = wave - joined.get(of, wave - 1) - 1
        get_session(user.environment).stats.schedule_lag.dropped += max(missed, 0)
        joined[of] = wave
        user.due_ns = now_ns + wait_ns  # type: ignore[attr-defined]  # harmless on other users
        gevent.get_hub().loop.update_now()  # else the sleep counts from an older time
        return wait_ns / 1e9

    return wait_time


def _require_positive(function: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise UsageError(f"{function}() needs a number greater than 0, not {value}")


def _paced(next_interval_ns: Callable[[], int], *, catch_up: bool) -> WaitTime:
    last_due_ns: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def wait_time(of: LocustUser | TaskSet) -> float:
        user = of if isinstance(of, LocustUser) else of.user
        now_ns, interval_ns = monotonic_ns(), next_interval_ns()
        previous_ns = last_due_ns.get(of, getattr(of, "started_ns", None) or now_ns)
        due_ns = previous_ns + interval_ns
        last_due_ns[of] = user.due_ns = due_ns  # type: ignore[attr-defined]  # harmless on others
        if due_ns > now_ns:
            gevent.get_hub().loop.update_now()  # else the sleep counts from an older time
            return (due_ns - now_ns) / 1e9
        schedule_lag = get_session(user.environment).stats.schedule_lag
        schedule_lag.waited += 1
        if not catch_up:
            last_due_ns[of] = now_ns
            schedule_lag.dropped += (now_ns - due_ns) // max(interval_ns, 1)
        return 0.0

    return wait_time


_LOCUST_PACING = locust.constant_pacing(1).__code__  # the same for all that it returns
_LOCUST_POISSON = locust.poisson(1).__code__


def keep_pace(wait_time: Any) -> Any:  # noqa: ANN401  a class attribute of any type
    """Return this module's version of a wait time of Locust's; any other one as it is."""
    code = getattr(wait_time, "__code__", None)
    if code is _LOCUST_PACING:
        return constant_pacing(inspect.getclosurevars(wait_time).nonlocals["wait_time"])
    if code is _LOCUST_POISSON:
        return poisson(inspect.getclosurevars(wait_time).nonlocals["rate"])
    return wait_time


def _replace_wait_times(of: type) -> None:
    """Replace the wait times of a user class or task set, and of the task sets within it."""
    if "wait_time" in vars(of):
        of.wait_time = keep_pace(vars(of)["wait_time"])  # type: ignore[attr-defined]
    for task in getattr(of, "tasks", ()):
        if isinstance(task, type):
            _replace_wait_times(task)


class PacedUser(LocustUser):
    """A user whose task runs may be due at given times, by its wait time or by a shape.

    Attributes:
        started_ns: Start of its first task (`time.monotonic_ns`), from which its pace counts.
        due_ns: When the next request should start, if that is given.
    """

    abstract = True
    started_ns: int | None = None
    due_ns: int | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _replace_wait_times(cls)

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        class_on_start, class_wait_time = self.on_start, self.wait_time
        dispatcher = get_dispatcher(environment)

        def on_start() -> None:
            class_on_start()
            if dispatcher.is_active:
                self.wait()  # the first task needs an arrival like any other
            self.started_ns = monotonic_ns()

        def wait_time() -> float:
            if not dispatcher.is_active:
                return class_wait_time()
            self.due_ns = dispatcher.wait_for_arrival(self)
            return 0.0

        # Set on the instance, so that a class can override them without calling super().
        vars(self).update(on_start=on_start, wait_time=wait_time)
