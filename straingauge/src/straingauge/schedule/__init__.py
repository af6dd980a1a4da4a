"""Schedules: the intended start of arrival n, as pure functions of n without clock or I/O.

An *open* schedule gives the start of each arrival, whatever the target does: at a rate that is
`constant`, changes in a `ramp`, in `steps` or in `stages`, or has a `spike`; as a fixed count,
`spread` evenly; at random (`poisson`, from a seed); or as several of these in a row (`chain`). A
*closed* one gives the number of concurrent users, each of which begins again when it has finished
(`constant_users`, or `stages` without a unit).
`waves` lies between: a number of arrivals at the same instant, repeatedly.

Where the rate changes, arrival n starts when the integral of the rate since the start reaches n.
Response time counts from these intended starts, so they contain every delay that a slow
target causes (no coordinated omission).

    >>> constant(rate_per_s=10, duration_s=60).arrivals(5)
    0.5
    >>> ramp(from_per_s=0, to_per_s=10, duration_s=10).arrivals(32)
    8.0
    >>> [share(spread(count=5, duration_s=1), 1, 2).arrivals(n) for n in (0, 1, 2)]
    [0.2, 0.6, None]
"""

from straingauge.schedule.arrival_rates import (
    Constant,
    Ramp,
    Spike,
    Spread,
    Step,
    Steps,
    constant,
    ramp,
    spike,
    spread,
    steps,
)
from straingauge.schedule.arrivals import Arrivals, Chain, Share, chain, share
from straingauge.schedule.concurrency import (
    ClosedSchedule,
    ConstantUsers,
    RampingUsers,
    Waves,
    constant_users,
    waves,
)
from straingauge.schedule.parallel import Parallel
from straingauge.schedule.poisson import Poisson, poisson
from straingauge.schedule.ramping_rate import RampingRate
from straingauge.schedule.recorded import Recorded, recorded
from straingauge.schedule.stages import Stage, stages

Schedule = (
    Constant
    | Spread
    | Ramp
    | Steps
    | Spike
    | RampingRate
    | Poisson
    | Chain
    | Waves
    | ConstantUsers
    | RampingUsers
    | Recorded
)

__all__ = [
    "Arrivals",
    "Chain",
    "ClosedSchedule",
    "Constant",
    "ConstantUsers",
    "Parallel",
    "Poisson",
    "Ramp",
    "RampingRate",
    "RampingUsers",
    "Recorded",
    "Schedule",
    "Share",
    "Spike",
    "Spread",
    "Stage",
    "Step",
    "Steps",
    "Waves",
    "chain",
    "constant",
    "constant_users",
    "poisson",
    "ramp",
    "recorded",
    "share",
    "spike",
    "spread",
    "stages",
    "steps",
    "waves",
]
