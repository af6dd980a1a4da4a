"""What the arguments of a schedule must be, said in one voice."""

from math import ceil, isfinite

from straingauge.errors import UsageError

MOST_ARRIVALS = 10**9
"""Two days at 5,000 a second: nobody means more, and up to here floats tell arrivals apart."""


def require_positive(**values: float) -> None:
    """Each value is a number more than 0.

    Raises:
        UsageError: naming the one that is not.
    """
    for name, value in values.items():
        if not (isfinite(value) and value > 0):
            raise UsageError(f"{name} must be more than 0, not {value}")


def require_not_negative(**values: float) -> None:
    """Each value is a number, 0 or more.

    Raises:
        UsageError: naming the one that is not.
    """
    for name, value in values.items():
        if not (isfinite(value) and value >= 0):
            raise UsageError(f"{name} must be 0 or more, not {value}")


def require_countable(expected: float) -> None:
    """A schedule of so many arrivals can be played.

    Raises:
        UsageError: it has more than `MOST_ARRIVALS`.
    """
    if not expected <= MOST_ARRIVALS:
        raise UsageError(
            f"a schedule has at most {MOST_ARRIVALS:,} arrivals, not {expected:.3g}:"
            " lower its rate or its duration"
        )


def whole_arrivals(expected: float) -> int:
    """How many of the arrivals 0, 1, 2, ... start strictly before `expected` have; at least one.

    Rounded to a millionth of an arrival, so that 0.1 x 30 is 3 arrivals and not 4.
    """
    return max(1, ceil(round(expected, 6)))
