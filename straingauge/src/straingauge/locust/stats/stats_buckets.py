"""Our histograms for Locust's page, CSV files and end table too.

Locust keeps a dict of rounded response times for each endpoint: whole milliseconds below 100 ms,
two digits above, so that its p95 is up to 5 % off, and 0.4 ms is 0. It lets the rounding be
replaced, and ours are the buckets of `straingauge.histogram`: at most 1/256 (0.4 %) off, at most
128 keys for each doubling of a time, whatever the run's length: 850 from 1 ms to 100 ms.

Two things stay Locust's own. Its end table and the percentiles of its CSV files are printed as
whole milliseconds (rounded here, where Locust cuts off). And where q x n is a whole number its
q-quantile is the next longer of the n times than ours.
"""

from collections.abc import Mapping
from math import frexp, ldexp
from typing import Any, Final

import locust.stats
from locust import events

from straingauge.histogram import MANTISSA_BITS

_LEAST_NS: Final = 512
_SCALE: Final = 1 << (MANTISSA_BITS + 1)  # frexp's mantissa is 1/2 or more


class Milliseconds(float):
    """A time that becomes the nearest whole number, where `float` is cut off."""

    __slots__ = ()

    def __int__(self) -> int:
        return round(self)


def bucket_ms(response_time: float) -> Milliseconds:
    """The middle of the bucket that a response time falls into, both in milliseconds."""
    time_ns = round(response_time * 1e6)  # or a bucket's own edge falls below it, by a float's whim
    if time_ns < _LEAST_NS:
        return _NO_TIME
    mantissa, exponent = frexp(time_ns)
    middle_ns = ldexp(int(mantissa * _SCALE) + 0.5, exponent - MANTISSA_BITS - 1)
    return Milliseconds(middle_ns / 1e6)


_NO_TIME: Final = Milliseconds(0.0)


@events.init.add_listener
def _install(**_: object) -> None:
    """Let Locust count in our buckets from now on, as its manual has it."""
    # Typed to give an int, but its manual takes any number ("Customizing response time bucketing").
    locust.stats.bucket_response_time = bucket_ms  # type: ignore[assignment]


@events.worker_report.add_listener
def _round_as_here(data: dict[str, Any], **_: object) -> None:
    """What a worker sends comes as plain floats; heard before Locust's own listener merges it."""
    for entry in (*data["stats"], data["stats_total"]):
        entry["response_times"] = rounding(entry["response_times"])


def rounding(response_times: Mapping[float, int]) -> dict[float, int]:
    """The same counts by times that round."""
    return {Milliseconds(time_ms): count for time_ms, count in response_times.items()}
