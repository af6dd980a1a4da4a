"""Counts of one endpoint, or of a whole run, since the start of the load."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from straingauge.histogram import BUCKETS, Ints, bucket_edges_ns
from straingauge.recording import Series, TransactionSeries


def _none() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Counts:
    """Cumulative counts at one instant.

    Attributes:
        requests: All requests.
        rate_limited: Unexpected responses with status 429 among them.
        errors: Errors by kind.
        statuses: Responses by status.
        buckets: The buckets of the histogram of response times that are not empty.
        in_bucket: The number of times in each of them.
        sum_ns: The sum of all response times.
    """

    requests: int = 0
    rate_limited: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    buckets: Ints = field(default_factory=_none)
    in_bucket: Ints = field(default_factory=_none)
    sum_ns: int = 0

    @classmethod
    def of(cls, parts: Iterable[Series]) -> Self:
        """Add up the counts of several endpoints."""
        requests = limited = sum_ns = 0
        errors: Counter[str] = Counter()
        statuses: Counter[int] = Counter()
        counts = np.zeros(BUCKETS, dtype=np.int64)
        for part in parts:
            requests += part.requests
            limited += part.rate_limited.count
            errors.update(part.errors)
            statuses.update(part.statuses)
            counts += part.response.counts
            sum_ns += part.response.sum_ns
        used = np.flatnonzero(counts)
        return cls(requests, limited, errors, statuses, used, counts[used], sum_ns)

    @classmethod
    def of_transactions(cls, series: TransactionSeries) -> Self:
        """Count the transactions of one name; abandoned ones have no outcome."""
        used = np.flatnonzero(series.response.counts)
        errors = Counter({"failed": series.failed})
        requests = series.completed + series.failed
        in_bucket, sum_ns = series.response.counts[used], series.response.sum_ns
        return cls(requests, 0, errors, Counter(), used, in_bucket, sum_ns)

    def since(self, before: "Counts", passed_s: float, quantiles: dict[str, float]) -> "Span":
        """Return what was counted since an earlier instant.

        Args:
            before: The counts then.
            passed_s: The seconds since then.
            quantiles: The quantiles of the response time to compute, by name ("p95": 0.95).
        """
        counts = np.zeros(BUCKETS, dtype=np.int64)
        counts[self.buckets] = self.in_bucket
        counts[before.buckets] -= before.in_bucket
        served = int(counts.sum())
        requests = self.requests - before.requests
        limited = self.rate_limited - before.rate_limited
        kinds = {kind: count - before.errors[kind] for kind, count in self.errors.items()}
        errors = sum(kinds.values())
        judged = max(requests - limited, errors)
        percentiles = {
            # Without a request beyond it, a percentile is nothing but the longest time.
            name: _quantile_ms(counts, served, q) if served * (1 - q) >= 1 - 1e-9 else None
            for name, q in quantiles.items()
        }
        times = {
            "avg": (self.sum_ns - before.sum_ns) / served / 1e6 if served else None,
            "max": _quantile_ms(counts, served, 1.0) if served else None,
        }
        return {
            "total_requests": requests,
            "throughput_rps": requests / passed_s,
            "error_rate_percent": 100 * errors / judged if judged else 0.0,
            "rate_limited": limited,
            "latency_ms": {**times, **percentiles, "percentiles": percentiles},
            "errors": {"kinds": kinds},
            "status_codes": {
                str(status): count - before.statuses[status]
                for status, count in self.statuses.items()
            },
        }


Span = dict[str, Any]
"""Metrics of the time between two instants, as a result has them of an endpoint."""


def _quantile_ms(counts: Ints, served: int, q: float) -> float:
    """Return a quantile by nearest rank, from the middle of its bucket."""
    rank = max(int(np.ceil(round(q * served, 6))), 1)
    bucket = int(np.searchsorted(np.cumsum(counts), rank))
    low_ns, high_ns = bucket_edges_ns(np.array([bucket, bucket + 1]))
    return float(low_ns + high_ns) / 2e6
