"""When should request n start? Pure functions of n: no clock, no I/O, no state.

An *open* schedule says when each arrival starts, whatever the target does: at a rate that is
`constant`, climbs in a `ramp`, goes in `steps` or has a `spike`; a fixed count, `spread` evenly; at
random (`poisson`, from a seed); or one of these after the other (`chain`). A *closed* one says how
many users work at once, each starting again when it is done (`users`). `waves` lies between: so
many at once, again and again.

Where the rate changes, arrival n starts when the rate, summed up since the start, has reached n.

    >>> constant(rate_per_s=10, duration_s=60).arrivals(5)
    0.5
    >>> ramp(from_per_s=0, to_per_s=10, duration_s=10).arrivals(32)
    8.0
    >>> [share(spread(count=5, duration_s=1), 1, 2).arrivals(n) for n in (0, 1, 2)]
    [0.2, 0.6, None]
"""

from straingauge.schedule.arrivals import Arrivals
from straingauge.schedule.chain import Chain, chain
from straingauge.schedule.constant import Constant, constant
from straingauge.schedule.constant_users import ConstantUsers, constant_users
from straingauge.schedule.poisson import Poisson, poisson
from straingauge.schedule.ramp import Ramp, ramp
from straingauge.schedule.share import Share, share
from straingauge.schedule.spike import Spike, spike
from straingauge.schedule.spread import Spread, spread
from straingauge.schedule.steps import Step, Steps, steps
from straingauge.schedule.waves import Waves, waves

Schedule = Constant | Spread | Ramp | Steps | Spike | Poisson | Chain | Waves | ConstantUsers

__all__ = [
    "Arrivals",
    "Chain",
    "Constant",
    "ConstantUsers",
    "Poisson",
    "Ramp",
    "Schedule",
    "Share",
    "Spike",
    "Spread",
    "Step",
    "Steps",
    "Waves",
    "chain",
    "constant",
    "constant_users",
    "poisson",
    "ramp",
    "share",
    "spike",
    "spread",
    "steps",
    "waves",
]
