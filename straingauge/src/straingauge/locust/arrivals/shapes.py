"""Load shapes by arrival rate: the open model, for Locust's web UI, command line and workers.

Locust's own shapes set the number of users, each of which sends its next request after the previous
response: a slow service gets less load (closed model). These shapes set how many task runs *arrive*
each second, regardless of the service. The users of all classes serve them
(`straingauge.locust.arrivals.dispatcher`), and their own `wait_time` is not used::

    from straingauge.locust import JourneyUser, Steps

    class Climb(Steps):
        rates = [(50, 60), (100, 60), (200, 60)]  # (arrivals per second, seconds)

The arrivals start when all users have logged in; the run ends when the last arrival was served.
"""

import logging
import math
from abc import abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, ClassVar, Final

from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import STATE_RUNNING, WorkerRunner
from locust.stats import CURRENT_RESPONSE_TIME_PERCENTILE_WINDOW as WINDOW_S

from straingauge.errors import UsageError
from straingauge.locust.arrivals.arrival_coordinator import get_arrival_coordinator
from straingauge.locust.arrivals.dispatcher import (
    UNKNOWN_RUN,
    ScheduleSpec,
    build_schedule,
    get_dispatcher,
)
from straingauge.locust.events import errors_end_locust
from straingauge.locust.user.wait_time import PacedUser
from straingauge.schedule import Stage

logger = logging.getLogger(__name__)

MIN_USERS: Final = 10
MIN_RESPONSES: Final = 20  # within `WINDOW_S`; of fewer, one slow response is the p95


class ArrivalShape(LoadTestShape):
    """Base class of the shapes by arrival rate.

    Attributes:
        users: Number of users that serve the arrivals, over all workers. [default: the highest
            number of arrivals per second, at least 10; enough if a task run takes less than 1 s]
        spawn_rate: Users started per second.
        drain_s: Longest time to wait at the end for runs in progress.
    """

    abstract = True
    users: ClassVar[int | None] = None
    spawn_rate: ClassVar[float] = 100.0
    drain_s: ClassVar[float] = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._started_s: float | None = None
        self._ended_s: float | None = None

    @abstractmethod
    def schedules(self) -> Sequence[ScheduleSpec]:
        """Return the schedules that make up this shape, one after the other.

        Raises:
            UsageError: An attribute is missing.
        """

    def stop_reason(self) -> str | None:
        """Return why the arrivals have to stop; None to go on. Called once a second."""
        return None

    def check(self) -> None:
        """Check the attributes of this shape.

        Raises:
            UsageError: An attribute is missing or out of range.
        """
        build_schedule(self.schedules())

    @property
    def user_count(self) -> int:
        """Number of users that serve the arrivals."""
        peak_per_s = max(rate for _, given in self.schedules() for rate in _rates_per_s(given))
        return self.users or max(MIN_USERS, math.ceil(peak_per_s))

    @property
    def configuration(self) -> dict[str, Any]:
        """The shape in the result file."""
        specs = self.schedules()
        return {
            "name": type(self).__name__,
            "users": self.user_count,
            "duration_s": build_schedule(specs).duration_s,
            "arrivals": [{"schedule": name, **given} for name, given in specs],
        }

    def reset_time(self) -> None:
        """Start over; called by Locust at the start of a run."""
        super().reset_time()
        self._started_s = self._ended_s = None

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users and the spawn rate, or None at the end of the run.

        Called by Locust once a second.
        """
        now_s, users = monotonic(), (self.user_count, self.spawn_rate)
        assert self.runner is not None
        coordinator = get_arrival_coordinator(self.runner.environment)
        if self._ended_s is not None:
            is_over = coordinator.is_done or now_s > self._ended_s + self.drain_s
            return None if is_over else users
        if self._started_s is None:
            spawned = self.runner.state == STATE_RUNNING
            if not spawned or coordinator.ready_users < max(1, self.runner.user_count):
                return users
            self._started_s = now_s
        specs, elapsed_s = self.schedules(), now_s - self._started_s
        coordinator.assign_shards(specs, elapsed_s)
        if elapsed_s >= build_schedule(specs).duration_s:
            self._ended_s = now_s
        elif reason := self.stop_reason():
            logger.warning("arrivals stopped: %s", reason)
            self._ended_s = now_s
            coordinator.stop()
        return users

    def _given(self, *names: str) -> dict[str, Any]:
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            shape, kind = type(self).__name__, type(self).__mro__[1].__name__
            raise UsageError(
                f"the shape {shape} has no {' and no '.join(missing)}",
                hint=f"set it in `class {shape}({kind}):`",
            )
        return {name: getattr(self, name) for name in names}


class Constant(ArrivalShape):
    """A constant rate: `rate_per_s` arrivals per second for `duration_s` seconds.

    Attributes:
        poisson: Random arrivals at that rate on average, instead of evenly spaced ones.
        seed: Seed of the random arrivals.
    """

    abstract = True
    rate_per_s: ClassVar[float]
    duration_s: ClassVar[float]
    poisson: ClassVar[bool] = False
    seed: ClassVar[int] = 0

    def schedules(self) -> Sequence[ScheduleSpec]:
        """Return one constant rate."""
        given = self._given("rate_per_s", "duration_s")
        return [("poisson", {**given, "seed": self.seed}) if self.poisson else ("constant", given)]


class Steps(ArrivalShape):
    """One rate after the other: `rates` is a list of (arrivals per second, seconds)."""

    abstract = True
    rates: ClassVar[Sequence[tuple[float, float]]]

    def schedules(self) -> Sequence[ScheduleSpec]:
        """Return the steps as one schedule."""
        return [("steps", {"plan": [list(step) for step in self._given("rates")["rates"]]})]


class RateStages(ArrivalShape):
    """Linear changes of the rate: ``stages = ["30s:100/s", "2m:100/s", "30s:0/s"]``.

    See `straingauge.stages`; the first stage starts at 0.
    """

    abstract = True
    stages: ClassVar[Sequence[str]]

    def schedules(self) -> Sequence[ScheduleSpec]:
        """Return the stages as one schedule."""
        return [("stages", {"texts": list(self._given("stages")["stages"])})]


class Spike(ArrivalShape):
    """A constant rate of `base_per_s`, and `spike_per_s` for `lasts_s` seconds from `at_s` on."""

    abstract = True
    base_per_s: ClassVar[float]
    spike_per_s: ClassVar[float]
    at_s: ClassVar[float]
    lasts_s: ClassVar[float]
    duration_s: ClassVar[float]

    def schedules(self) -> Sequence[ScheduleSpec]:
        """Return the spike, with the base rate before and after it."""
        names = ("base_per_s", "spike_per_s", "at_s", "lasts_s", "duration_s")
        return [("spike", self._given(*names))]


class Soak(ArrivalShape):
    """A ramp to `rate_per_s` within `ramp_s` seconds, then that rate for `duration_s` seconds."""

    abstract = True
    rate_per_s: ClassVar[float]
    duration_s: ClassVar[float]
    ramp_s: ClassVar[float] = 60.0

    def schedules(self) -> Sequence[ScheduleSpec]:
        """Return a ramp, then a constant rate."""
        given = self._given("rate_per_s", "duration_s")
        ramp = {"from_per_s": 0.0, "to_per_s": given["rate_per_s"], "duration_s": self.ramp_s}
        return [("ramp", ramp), ("constant", given)]


class Breakpoint(ArrivalShape):
    """A growing rate until the service exceeds a limit, or `to_per_s` is reached.

    The rate grows from `from_per_s` to `to_per_s` within `duration_s` seconds. The run ends early
    if, over the last 10 s, p95 of the response time exceeds `p95_ms` or more than `error_percent`
    of the requests failed. The log and the result's configuration give the rate at that time.
    """

    abstract = True
    from_per_s: ClassVar[float] = 0.0
    to_per_s: ClassVar[float]
    duration_s: ClassVar[float]
    p95_ms: ClassVar[float] = 1000.0
    error_percent: ClassVar[float] = 5.0

    def __init__(self) -> None:
        super().__init__()
        self._totals: deque[tuple[int, int]] = deque(maxlen=WINDOW_S)
        self._limit_exceeded: str | None = None

    def schedules(self) -> Sequence[ScheduleSpec]:
        """Return a ramp."""
        return [("ramp", self._given("from_per_s", "to_per_s", "duration_s"))]

    def reset_time(self) -> None:
        """Start over; called by Locust at the start of a run."""
        super().reset_time()
        self._totals.clear()
        self._limit_exceeded = None

    @property
    def configuration(self) -> dict[str, Any]:
        """The shape in the result file."""
        limits = {"p95_ms": self.p95_ms, "error_percent": self.error_percent}
        return {**super().configuration, "limits": limits, "limit_exceeded": self._limit_exceeded}

    def stop_reason(self) -> str | None:
        """Return which limit was exceeded, and at what rate."""
        assert self.runner is not None
        assert self._started_s is not None
        total = self.runner.stats.total
        self._totals.append((total.num_requests, total.num_failures))
        requests = total.num_requests - self._totals[0][0]
        if requests < MIN_RESPONSES:
            return None
        failed_percent = 100 * (total.num_failures - self._totals[0][1]) / requests
        p95_ms = total.get_current_response_time_percentile(0.95) or 0.0
        if failed_percent > self.error_percent:
            exceeded = f"{failed_percent:.1f} % errors (limit {self.error_percent:g} %)"
        elif p95_ms > self.p95_ms:
            exceeded = f"p95 {p95_ms:,.0f} ms (limit {self.p95_ms:g} ms)"
        else:
            return None
        share = (monotonic() - self._started_s) / self.duration_s
        rate_per_s = self.from_per_s + (self.to_per_s - self.from_per_s) * share
        self._limit_exceeded = f"{exceeded} at {rate_per_s:.1f} arrivals per second"
        return self._limit_exceeded


def _rates_per_s(given: Any) -> Iterator[float]:  # noqa: ANN401  arguments of a schedule
    yield from (rate for rate, _ in given.get("plan", ()))
    yield from (Stage.parse(text).target for text in given.get("texts", ()))
    yield from (value for name, value in given.items() if name.endswith("_per_s"))


def _has_arrivals(environment: Environment) -> bool:
    return isinstance(environment.shape_class, ArrivalShape)


@events.test_start.add_listener
def _on_test_start(environment: Environment, **_: object) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        coordinator = get_arrival_coordinator(environment)
        coordinator.start_run(has_arrivals=_has_arrivals(environment))


@events.init.add_listener
def _on_init(environment: Environment, **_: object) -> None:
    """End Locust with a message if a shape is not valid.

    Raises:
        SystemExit: The message was printed.
    """
    with errors_end_locust():
        for shape in (environment.available_shape_classes or {}).values():
            if isinstance(shape, ArrivalShape):
                shape.check()
                _require_journey_users(environment)
        if isinstance(environment.runner, WorkerRunner) and _has_arrivals(environment):
            # It may get users before its master announces the run.
            get_dispatcher(environment).set_run(UNKNOWN_RUN)


def _require_journey_users(environment: Environment) -> None:
    for each in environment.user_classes:
        if not issubclass(each, PacedUser):
            raise UsageError(
                f"a shape by arrival rate needs users of JourneyUser, which {each.__name__} is not",
                hint=f"derive {each.__name__} from JourneyUser, or use one of Locust's own shapes",
            )
