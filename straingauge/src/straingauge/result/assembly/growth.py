"""Growth of the service's memory, files and threads with the requests, and whether memory leaks."""

import statistics
from collections.abc import Sequence

from straingauge.observe import Sample
from straingauge.result.assembly.sampling import MB, highest, points, trend, troughs, values
from straingauge.result.format.resources import Memory, Trend

PER_REQUESTS = 200
TREND_PER_REQUESTS = 1000
ALLOCATOR_MB = 3.0  # of growth are normal for an allocator
ENDS = 3  # samples whose median is the memory at the start and at the end
LATER_SHARE = 0.1  # of the run's trend, at least, in the second half of memory that still grows
WARM_UP_SHARE = 0.25  # of the load: caches fill and the allocator grows


def memory_growth(samples: Sequence[Sample], requests: int) -> Memory | None:
    """Resident memory of the serving processes, and its growth per request.

    `growth_mb_per_200_requests` is the Theil-Sen slope over the run, so that a single late jump of
    the allocator is no leak. `still_growing` means that by this slope it grew by more than is
    normal for an allocator, and in the second half still by at least a tenth of that rate, unlike a
    cache that has filled. `bytes_per_request` is the slope of the lowest values after the warm-up.
    """
    sizes = values(samples, "rss_bytes")
    if not sizes:
        return None
    seen = points(samples, "rss_bytes")
    in_mb = [(t_s, size / MB) for t_s, size in seen]
    initial, final = statistics.median(sizes[:ENDS]), statistics.median(sizes[-ENDS:])
    pace_s = _pace_s(seen, requests)
    run = trend(troughs(in_mb), PER_REQUESTS * pace_s)
    later = trend(troughs(in_mb[len(in_mb) // 2 :]), PER_REQUESTS * pace_s)
    growth = (final - initial) / MB
    fallback = growth / requests * PER_REQUESTS if requests else None
    return {
        "initial_mb": round(initial / MB, 3),
        "peak_mb": round(max(sizes) / MB, 3),
        "final_mb": round(final / MB, 3),
        "growth_mb": round(growth, 3),
        "growth_mb_per_200_requests": run["slope"] if run else fallback,
        "trend_mb_per_200_requests": run,
        "later_trend_mb_per_200_requests": later,
        "bytes_per_request": trend(troughs(_warm(seen)), pace_s),
        "still_growing": bool(run and later and growth > 0 and _still_grows(run, later, requests)),
        "uss_peak_mb": highest(samples, "uss_bytes", MB),
    }


def _still_grows(run: Trend, later: Trend, requests: int) -> bool:
    significant = run["low"] > 0 and later["low"] > 0
    grown_mb = run["slope"] * requests / PER_REQUESTS
    return significant and grown_mb > ALLOCATOR_MB and later["slope"] >= LATER_SHARE * run["slope"]


def per_requests(samples: Sequence[Sample], key: str, requests: int) -> Trend | None:
    """Compute the trend of the lowest values per 1000 requests, after the warm-up."""
    seen = points(samples, key)
    pace_s = _pace_s(seen, requests)
    return trend(troughs(_warm(seen)), TREND_PER_REQUESTS * pace_s)


def _pace_s(seen: Sequence[tuple[float, float]], requests: int) -> float:
    """Return the mean time between requests."""
    return (seen[-1][0] - seen[0][0]) / requests if seen and requests else 0.0


def _warm(seen: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return seen[int(len(seen) * WARM_UP_SHARE) :]
