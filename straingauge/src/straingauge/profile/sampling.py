"""The rate and duration of sampling running code, by what it costs."""

from typing import Final, NamedTuple

START_S: Final = 0.5  # CPU time in which py-spy reads the symbols of a large process
MAX_START_SHARE: Final = 0.05  # of one core
MIN_LOAD_S: Final = START_S / MAX_START_SHARE
MAX_SHARE: Final = 0.4  # of the load
# A sample of deep stacks takes 0.8 ms of CPU time: 4 % of a core at 50 per second. 1,000 samples
# give a share to within 3 points (binomial, 95 %), and 200, in a load of 10 s, to within 7.
RATE_HZ: Final = 50
MAX_S: Final = 20.0
USUAL_THREADS: Final = 20  # of a service with an executor, as that on which this was measured
REQUESTED_RATE_HZ: Final = 100
REQUESTED_MAX_S: Final = 10.0
REQUESTED_MIN_S: Final = 2.0
ON_REQUEST: Final = (
    f"running code is sampled in loads of {MIN_LOAD_S:.0f} s or more: py-spy takes a large part of"
    " a shorter one to start; add --profile (pytest: --load-profile) to sample it anyway"
)


class Sampling(NamedTuple):
    """The sampling of running code.

    Attributes:
        rate_hz: Samples per second.
        duration_s: How long, from the start of the load.
    """

    rate_hz: int
    duration_s: float


def plan_sampling(load_s: float | None, *, is_requested: bool) -> Sampling | None:
    """Return how to sample a load; None if the start alone costs too large a part of it.

    Args:
        load_s: Duration of the load; None if unknown, which may be short.
        is_requested: The user wants the samples whatever they cost.
    """
    if is_requested:
        share_s = REQUESTED_MAX_S if load_s is None else MAX_SHARE * load_s
        return Sampling(REQUESTED_RATE_HZ, min(REQUESTED_MAX_S, max(REQUESTED_MIN_S, share_s)))
    if load_s is None or load_s < MIN_LOAD_S:
        return None
    return Sampling(RATE_HZ, min(MAX_S, MAX_SHARE * load_s))


def rate_for(rate_hz: int, threads: int) -> int:
    """Return the rate for a process with many threads, which is stopped while each of them is read.

    The time of a sample grows with the threads, so that fewer samples cost as much.
    """
    return max(1, rate_hz * USUAL_THREADS // max(threads, USUAL_THREADS))
