"""straingauge's histogram buckets for Locust's web UI, CSV files and final table.

Locust counts rounded response times for each endpoint: whole milliseconds below 100 ms, two digits
above, so its p95 has an error of up to 5 %, and 0.4 ms counts as 0. The rounding can be replaced,
and this module rounds to the buckets of `straingauge.histogram`: an error of at most 1/256 (0.4 %),
and at most 128 keys for each doubling of the response time, however long the run: 850 from 1 ms to
100 ms.

Two differences remain. Locust prints whole milliseconds in its final table and in the percentiles
of its CSV files (rounded here; Locust cuts off). And if q x n is a whole number, its q-quantile is
the next longer of the n times.
"""

from collections.abc import Mapping
from math import frexp, ldexp
from typing import Any, Final

import locust.stats
from locust import events

from straingauge.histogram import MANTISSA_BITS

_MIN_NS: Final = 512
_SCALE: Final = 1 << (MANTISSA_BITS + 1)  # frexp's mantissa is 1/2 or more


class Milliseconds(float):
    """A time that converts to the nearest whole number, where `float` is cut off."""

    __slots__ = ()

    def __int__(self) -> int:
        return round(self)


def round_to_bucket(response_ms: float) -> Milliseconds:
    """Return the middle of the bucket of a response time, both in milliseconds."""
    time_ns = round(response_ms * 1e6)  # or the float of a bucket's edge may fall below it
    if time_ns < _MIN_NS:
        return _ZERO
    mantissa, exponent = frexp(time_ns)
    middle_ns = ldexp(int(mantissa * _SCALE) + 0.5, exponent - MANTISSA_BITS - 1)
    return Milliseconds(middle_ns / 1e6)


_ZERO: Final = Milliseconds(0.0)


@events.init.add_listener
def _on_init(**_: object) -> None:
    """Replace Locust's rounding, as its documentation describes."""
    # Typed as returning int, but documented to take any number ("Customizing response time
    # bucketing").
    locust.stats.bucket_response_time = round_to_bucket  # type: ignore[assignment]


@events.worker_report.add_listener
def _on_worker_report(data: dict[str, Any], **_: object) -> None:
    """Convert a worker's times, which arrive as floats, before Locust's listener merges them."""
    for entry in (*data["stats"], data["stats_total"]):
        entry["response_times"] = to_milliseconds(entry["response_times"])


def to_milliseconds(response_times: Mapping[float, int]) -> dict[float, int]:
    """Convert the keys to `Milliseconds`."""
    return {Milliseconds(time_ms): count for time_ms, count in response_times.items()}
