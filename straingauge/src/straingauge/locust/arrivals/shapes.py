"""Load shapes by arrival rate: the open model, for Locust's page, command line and workers.

A shape of Locust's own says how many users there are, and each sends when it is answered: a slow
service gets less load. A shape of these says how many task runs *arrive* each second, whatever the
service does; the users of all classes serve them (`straingauge.locust.arrivals.dispatcher`), and
their own `wait_time` is not used::

    from straingauge.locust import JourneyUser, Steps

    class Climb(Steps):
        rates = [(50, 60), (100, 60), (200, 60)]  # arrivals a second, for so many seconds

The arrivals begin when all users are there and have logged in; the run ends when the last of them
has been served.
"""

import logging
import math
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, ClassVar, Final

from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import STATE_RUNNING, WorkerRunner
from locust.stats import CURRENT_RESPONSE_TIME_PERCENTILE_WINDOW as WINDOW_S

from straingauge.errors import StraingaugeError, UsageError
from straingauge.locust.arrivals.dispatcher import UNTOLD, Link, dispatcher_of, schedule_of
from straingauge.locust.distributed.arrival_coordinator import coordinator_of
from straingauge.locust.user.wait_time import Paced

logger = logging.getLogger(__name__)

FEWEST_USERS: Final = 10
FEWEST_ANSWERS: Final = 20  # in `WINDOW_S`; of fewer, one slow answer is the p95


class ArrivalShape(LoadTestShape):
    """What all of them have in common.

    Attributes:
        users: how many serve the arrivals, over all workers; None: as many as arrive in a second at
            the greatest rate, at least 10, which is enough while answers take less than that.
        spawn_rate: how many users begin each second.
        drain_s: how long the end waits for what is still under way.
    """

    abstract = True
    users: ClassVar[int | None] = None
    spawn_rate: ClassVar[float] = 100.0
    drain_s: ClassVar[float] = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._began_s: float | None = None
        self._ended_s: float | None = None

    def links(self) -> Sequence[Link]:
        """The schedules that make up this shape, one after the other.

        Raises:
            UsageError: an attribute is missing.
        """
        raise NotImplementedError

    def broken(self) -> str | None:
        """Why there shall be no further arrivals, asked once a second; None: go on."""
        return None

    def check(self) -> None:
        """Raise UsageError where this shape cannot be played."""
        schedule_of(self.links())

    @property
    def user_count(self) -> int:
        """How many users serve the arrivals."""
        peak_per_s = max(rate for _, given in self.links() for rate in _rates_per_s(given))
        return self.users or max(FEWEST_USERS, math.ceil(peak_per_s))

    @property
    def configuration(self) -> dict[str, Any]:
        """As the result file has it."""
        links = [{"schedule": name, **given} for name, given in self.links()]
        return {
            "name": type(self).__name__,
            "users": self.user_count,
            "duration_s": schedule_of(self.links()).duration_s,
            "arrivals": links,
        }

    def reset_time(self) -> None:
        """Locust begins a run."""
        super().reset_time()
        self._began_s = self._ended_s = None

    def tick(self) -> tuple[int, float] | None:
        """What Locust asks once a second: how many users at what rate, None when it is over."""
        now_s, going_on = monotonic(), (self.user_count, self.spawn_rate)
        assert self.runner is not None
        crew = coordinator_of(self.runner.environment)
        if self._ended_s is not None:
            return None if crew.over or now_s > self._ended_s + self.drain_s else going_on
        if self._began_s is None:
            spawned = self.runner.state == STATE_RUNNING
            if not spawned or crew.ready < max(1, self.runner.user_count):
                return going_on
            self._began_s = now_s
        links, elapsed_s = self.links(), now_s - self._began_s
        crew.assign_shards(links, elapsed_s)
        if elapsed_s >= schedule_of(links).duration_s:
            self._ended_s = now_s
        elif reason := self.broken():
            logger.warning("no further arrivals: %s", reason)
            self._ended_s = now_s
            crew.stop()
        return going_on

    def _given(self, *names: str) -> dict[str, Any]:
        missing = [name for name in names if not hasattr(self, name)]
        if missing:
            shape, kind = type(self).__name__, type(self).__mro__[1].__name__
            raise UsageError(
                f"the shape {shape} has no {' and no '.join(missing)}",
                hint=f"write it below `class {shape}({kind}):`",
            )
        return {name: getattr(self, name) for name in names}


class Constant(ArrivalShape):
    """`rate_per_s` arrivals a second for `duration_s` seconds.

    Attributes:
        poisson: at random moments, that many on average, instead of evenly.
        seed: of the random moments.
    """

    abstract = True
    rate_per_s: ClassVar[float]
    duration_s: ClassVar[float]
    poisson: ClassVar[bool] = False
    seed: ClassVar[int] = 0

    def links(self) -> Sequence[Link]:
        """One constant rate."""
        given = self._given("rate_per_s", "duration_s")
        return [("poisson", {**given, "seed": self.seed}) if self.poisson else ("constant", given)]


class Steps(ArrivalShape):
    """One rate after the other: `rates` is a list of (arrivals a second, seconds)."""

    abstract = True
    rates: ClassVar[Sequence[tuple[float, float]]]

    def links(self) -> Sequence[Link]:
        """The steps as one schedule."""
        return [("steps", {"plan": [list(step) for step in self._given("rates")["rates"]]})]


class Spike(ArrivalShape):
    """`base_per_s` arrivals a second, but from `at_s` on, for `lasts_s`, `spike_per_s`."""

    abstract = True
    base_per_s: ClassVar[float]
    spike_per_s: ClassVar[float]
    at_s: ClassVar[float]
    lasts_s: ClassVar[float]
    duration_s: ClassVar[float]

    def links(self) -> Sequence[Link]:
        """The spike and what is around it."""
        names = ("base_per_s", "spike_per_s", "at_s", "lasts_s", "duration_s")
        return [("spike", self._given(*names))]


class Soak(ArrivalShape):
    """Up to `rate_per_s` within `ramp_s` seconds, and on at that rate for `duration_s`."""

    abstract = True
    rate_per_s: ClassVar[float]
    duration_s: ClassVar[float]
    ramp_s: ClassVar[float] = 60.0

    def links(self) -> Sequence[Link]:
        """A ramp, then a constant rate."""
        given = self._given("rate_per_s", "duration_s")
        rise = {"from_per_s": 0.0, "to_per_s": given["rate_per_s"], "duration_s": self.ramp_s}
        return [("ramp", rise), ("constant", given)]


class Breakpoint(ArrivalShape):
    """More and more arrivals until the service breaks, or `to_per_s` is reached.

    The rate climbs from `from_per_s` to `to_per_s` within `duration_s`. It ends early where, over
    the last 10 s, p95 of the response time is more than `p95_ms` or more than `error_percent` of
    the requests failed; the log and the result's configuration say at what rate that was.
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
        self._broke: str | None = None

    def links(self) -> Sequence[Link]:
        """A ramp."""
        return [("ramp", self._given("from_per_s", "to_per_s", "duration_s"))]

    def reset_time(self) -> None:
        """Locust begins a run."""
        super().reset_time()
        self._totals.clear()
        self._broke = None

    @property
    def configuration(self) -> dict[str, Any]:
        """As the result file has it."""
        limits = {"p95_ms": self.p95_ms, "error_percent": self.error_percent}
        return {**super().configuration, "limits": limits, "broke": self._broke}

    def broken(self) -> str | None:
        """Which limit has been crossed, and at what rate."""
        assert self.runner is not None
        assert self._began_s is not None
        total = self.runner.stats.total
        self._totals.append((total.num_requests, total.num_failures))
        requests = total.num_requests - self._totals[0][0]
        if requests < FEWEST_ANSWERS:
            return None
        failed_percent = 100 * (total.num_failures - self._totals[0][1]) / requests
        p95_ms = total.get_current_response_time_percentile(0.95) or 0.0
        if failed_percent > self.error_percent:
            crossed = f"{failed_percent:.1f} % errors (limit {self.error_percent:g} %)"
        elif p95_ms > self.p95_ms:
            crossed = f"p95 {p95_ms:.0f} ms (limit {self.p95_ms:g} ms)"
        else:
            return None
        share = (monotonic() - self._began_s) / self.duration_s
        rate_per_s = self.from_per_s + (self.to_per_s - self.from_per_s) * share
        self._broke = f"{crossed} at {rate_per_s:.1f} arrivals a second"
        return self._broke


def _rates_per_s(given: Any) -> Iterator[float]:  # noqa: ANN401  a schedule's arguments
    yield from (rate for rate, _ in given.get("plan", ()))
    yield from (value for name, value in given.items() if name.endswith("_per_s"))


def _arrivals(environment: Environment) -> bool:
    return isinstance(environment.shape_class, ArrivalShape)


@events.test_start.add_listener
def _muster(environment: Environment, **_: object) -> None:
    if not isinstance(environment.runner, WorkerRunner):
        coordinator_of(environment).start_run(arrivals=_arrivals(environment))


@events.init.add_listener
def _check(environment: Environment, **_: object) -> None:
    """End Locust before it begins where a shape cannot be played.

    Raises:
        SystemExit: a line or two have said why.
    """
    try:
        for shape in (environment.available_shape_classes or {}).values():
            if isinstance(shape, ArrivalShape):
                shape.check()
                _require_paced(environment)
        if isinstance(environment.runner, WorkerRunner) and _arrivals(environment):
            # It may get users before it hears its master tell it of the run.
            dispatcher_of(environment).open_for(UNTOLD)
    except StraingaugeError as error:  # Locust would print a traceback, and go on
        sys.stderr.write(f"{error.with_hint}\n")
        sys.exit(error.exit_code)


def _require_paced(environment: Environment) -> None:
    for each in environment.user_classes:
        if not issubclass(each, Paced):
            raise UsageError(
                f"arrivals go to users of JourneyUser, and {each.__name__} is none",
                hint=f"make JourneyUser the base of {each.__name__}, or use a shape of Locust's",
            )
