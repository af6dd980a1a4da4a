"""Exponential histograms, as OpenTelemetry and Prometheus have them.

Source: "Exponential Histogram" in the data model of OpenTelemetry's metrics. A bucket's upper limit
is 2 ** (2 ** -scale) times its lower one; bucket 0 begins above 1 s.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from straingauge.histogram import Histogram, bucket_edges_ns

MAX_SCALE: Final = 5  # each bucket is 2.2 % wide; the buckets of `Histogram` are 0.8 % at most
MAX_BUCKETS: Final = 160  # the default of OpenTelemetry's SDKs


@dataclass(frozen=True, slots=True)
class ExponentialBuckets:
    """Counts of times in buckets.

    Attributes:
        scale: The resolution.
        offset: Number of the first bucket.
        counts: The counts of it and all following ones, up to the last one that is not empty.
    """

    scale: int
    offset: int
    counts: list[int]


def exponential_buckets(times: Histogram) -> ExponentialBuckets:
    """Return the buckets at the highest scale that needs no more than `MAX_BUCKETS`."""
    used = np.flatnonzero(times.counts)
    if not used.size:
        return ExponentialBuckets(MAX_SCALE, 0, [])
    middles_s = (bucket_edges_ns(used) + bucket_edges_ns(used + 1)) / 2e9
    scale = MAX_SCALE + 1
    span = MAX_BUCKETS + 1
    numbers = used
    while span > MAX_BUCKETS:
        scale -= 1
        numbers = np.ceil(np.log2(middles_s) * 2.0**scale).astype(np.int64) - 1
        span = int(numbers[-1] - numbers[0]) + 1
    counts = np.zeros(span, dtype=np.int64)
    np.add.at(counts, numbers - numbers[0], times.counts[used])
    return ExponentialBuckets(scale, int(numbers[0]), counts.tolist())
