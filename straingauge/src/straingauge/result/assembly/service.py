"""What became of the service's processes under load, and what was left of it afterwards."""

import statistics
from collections.abc import Sequence

from straingauge.observe import Observations, Sample
from straingauge.result.assembly.sampling import (
    MB,
    extremes,
    highest,
    increase,
    points,
    shares,
    trend,
    troughs,
    values,
    whole,
)
from straingauge.result.format.resources import (
    Cooldown,
    EventLoop,
    Level,
    Memory,
    Restarts,
    Service,
    Trend,
)

PER_REQUESTS = 200
TREND_PER_REQUESTS = 1000
ALLOCATOR_MB = 3.0  # of growth are the allocator's own
ENDS = 3  # samples whose median is the memory at the beginning, and at the end
LATER_SHARE = 0.1  # of the whole run's trend has the second half of one that goes on
WARM_UP_SHARE = 0.25  # of the load: caches fill and the allocator finds its size


def service(watched: Observations, requests: int) -> Service:
    """The `service` part of `resources`."""
    samples = watched.samples
    return {
        "source": watched.source,
        "memory": _memory(samples, requests),
        "cpu_percent": shares(points(samples, "cpu_s")),
        "processes": extremes(samples, "processes"),
        "threads": _level(samples, "threads", requests),
        "open_files": _level(samples, "open_files", requests),
        "helpers": {
            "processes": extremes(samples, "helpers"),
            "memory_peak_mb": highest(samples, "helper_rss_bytes", MB),
        },
        "restarts": _restarts(samples),
        "event_loop": _event_loop(samples),
    }


def cooldown(watched: Observations) -> Cooldown | None:
    """The figures of the quiet time after the load; None when nobody looked.

    Of what is taken and given back it is the least that was seen, of memory the last.
    """
    rest = watched.cooldown
    if not rest:
        return None
    memory = values(rest, "rss_bytes")[-ENDS:]
    return {
        "duration_s": round((rest[-1]["t_ns"] - rest[0]["t_ns"]) / 1e9, 3),
        "memory_mb": round(statistics.median(memory) / MB, 3) if memory else None,
        "open_files": _least(rest, "open_files"),
        "threads": _least(rest, "threads"),
        "pool_in_use": _least(rest, "pool_in_use"),
        "database_connections": _least(rest, "db_connections"),
        "database_idle_in_transaction": _least(rest, "db_idle_in_transaction"),
        "jobs_waiting": _least(rest, "jobs_waiting"),
    }


def per_requests(samples: Sequence[Sample], key: str, requests: int) -> Trend | None:
    """How a value's lows change in the course of 1000 requests, after warm-up."""
    seen = points(samples, key)
    pace_s = _pace_s(seen, requests)
    return trend(troughs(_warm(seen)), TREND_PER_REQUESTS * pace_s)


def _memory(samples: Sequence[Sample], requests: int) -> Memory | None:
    """Resident memory of the serving processes, and how it grows by what it is asked.

    `growth_mb_per_200_requests` is the Theil-Sen slope over the run, so that one late jump of the
    allocator is no leak; `steady` says that by this slope it grew by more than an allocator does of
    itself, and surely still did in the second half of the run, by a good part of what it did
    before: a cache that fills and stops does not, and what is left of a warm-up is next to nothing.
    `bytes_per_request` is of the lows after warm-up.
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
        "still_growing": bool(run and later and growth > 0 and _goes_on(run, later, requests)),
        "uss_peak_mb": highest(samples, "uss_bytes", MB),
    }


def _goes_on(run: Trend, later: Trend, requests: int) -> bool:
    surely = run["low"] > 0 and later["low"] > 0
    grown_mb = run["slope"] * requests / PER_REQUESTS
    return surely and grown_mb > ALLOCATOR_MB and later["slope"] >= LATER_SHARE * run["slope"]


def _level(samples: Sequence[Sample], key: str, requests: int) -> Level | None:
    found = extremes(samples, key)
    if found is None:
        return None
    return {**found, "trend_per_1000_requests": per_requests(samples, key, requests)}


def _restarts(samples: Sequence[Sample]) -> Restarts | None:
    """Serving processes that came and went during the load."""
    born, died = values(samples[1:], "processes_started"), values(samples[1:], "processes_exited")
    return {"started": int(born[-1]), "exited": int(died[-1])} if born and died else None


def _event_loop(samples: Sequence[Sample]) -> EventLoop | None:
    """How often and how long the service's event loops stood still during the load.

    The service tells the longest block of the last minute, which may lie before the load: it counts
    from the first block in the load on, and is not longer than all blocks together.
    """
    blocks, blocked_s = increase(samples, "loop_blocks"), increase(samples, "loop_blocked_s")
    if blocks is None or blocked_s is None:
        return None
    begin = values(samples, "loop_blocks")[0]
    since = [sample for sample in samples if sample.get("loop_blocks", begin) != begin]
    longest_s = min(highest(since, "loop_longest_s") or blocked_s, blocked_s)
    return {
        "blocks": whole(blocks),
        "blocked_s": blocked_s,
        "longest_ms": round(1000 * longest_s, 3),
    }


def _pace_s(seen: Sequence[tuple[float, float]], requests: int) -> float:
    """Time from one request to the next."""
    return (seen[-1][0] - seen[0][0]) / requests if seen and requests else 0.0


def _warm(seen: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return seen[int(len(seen) * WARM_UP_SHARE) :]


def _least(samples: Sequence[Sample], key: str) -> float | None:
    return min(values(samples, key), default=None)
