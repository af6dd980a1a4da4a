"""Validation of schedule arguments."""

from functools import lru_cache
from math import ceil, isfinite

from straingauge.errors import UsageError

MAX_ARRIVALS = 10**9
"""Two days at 5,000 a second; up to here, floats can tell arrivals apart."""


def require_positive(**values: float) -> None:
    """Check that each value is a number more than 0.

    Raises:
        UsageError: one is not; the message names it.
    """
    for name, value in values.items():
        if not (isfinite(value) and value > 0):
            raise UsageError(f"{name} must be more than 0, not {value}")


def require_not_negative(**values: float) -> None:
    """Check that each value is a number, 0 or more.

    Raises:
        UsageError: one is not; the message names it.
    """
    for name, value in values.items():
        if not (isfinite(value) and value >= 0):
            raise UsageError(f"{name} must be 0 or more, not {value}")


def require_countable(expected: float) -> None:
    """Check that a schedule of this many arrivals can be run.

    Raises:
        UsageError: it has more than `MAX_ARRIVALS`.
    """
    if not expected <= MAX_ARRIVALS:
        raise UsageError(
            f"a schedule has at most {MAX_ARRIVALS:,} arrivals, not {expected:.3g}:"
            " lower its rate or its duration"
        )


@lru_cache(maxsize=64)  # asked for each arrival; at 5,000/s, rounding took 5 % of a request
def whole_arrivals(expected: float) -> int:
    """Count the arrivals 0, 1, 2, ... that come strictly before `expected`; at least one.

    Rounded to a millionth of an arrival, so that 0.1 x 30 is 3 arrivals and not 4.
    """
    return max(1, ceil(round(expected, 6)))
