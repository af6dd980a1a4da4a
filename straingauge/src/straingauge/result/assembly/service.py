"""The `service` and `cooldown` sections of a result."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

from straingauge.observe import Observations, Sample
from straingauge.result.assembly.limits import limits
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
from straingauge.result.format.loop_thread import LoopThread
from straingauge.result.format.resources import (
    Calls,
    Cooldown,
    EventLoop,
    Level,
    Memory,
    Restarts,
    Service,
    Trend,
)

BLOCK_S = 0.1  # a shorter delay is that of a scheduler or of a garbage collector
MAX_HOSTS = 5
PER_REQUESTS = 200
TREND_PER_REQUESTS = 1000
ALLOCATOR_MB = 3.0  # of growth are normal for an allocator
ENDS = 3  # samples whose median is the memory at the start and at the end
LATER_SHARE = 0.1  # of the run's trend, at least, in the second half of memory that still grows
WARM_UP_SHARE = 0.25  # of the load: caches fill and the allocator grows


def service(observations: Observations, requests: int) -> Service:
    """Compose the `service` section."""
    samples = observations.samples
    found: Service = {
        "source": observations.source,
        "memory": _memory(samples, requests),
        "cpu_percent": shares(points(samples, "cpu_s")),
        "cpu_wait_percent": shares(points(samples, "cpu_wait_s")),
        "busiest_thread_percent": shares(points(samples, "busiest_thread_s")),
        "processes": extremes(samples, "processes"),
        "threads": _level(samples, "threads", requests),
        "open_files": _level(samples, "open_files", requests),
        "helpers": {
            "processes": extremes(samples, "helpers"),
            "memory_peak_mb": highest(samples, "helper_rss_bytes", MB),
        },
        "restarts": _restarts(samples),
        "event_loop": _event_loop(samples),
        "accept_queue": extremes(samples, "accept_queue"),
        "calls": _calls(observations),
        "runtime": {
            "language": observations.runtime.language,
            "server": observations.runtime.server,
        },
        "limits": limits(samples),
    }
    loop_thread = _loop_thread(samples)
    if loop_thread is not None:
        found["loop_thread"] = loop_thread
    return found


def cooldown(observations: Observations) -> Cooldown | None:
    """Compose the `cooldown` section; None without samples.

    It has the lowest values, because resources may still be released; of the memory the last, and
    of the transactions the longest.
    """
    rest = observations.cooldown
    if not rest:
        return None
    memory = values(rest, "rss_bytes")[-ENDS:]
    return {
        "duration_s": round((rest[-1]["t_ns"] - rest[0]["t_ns"]) / 1e9, 3),
        "memory_mb": round(statistics.median(memory) / MB, 3) if memory else None,
        "open_files": _least(rest, "open_files"),
        "threads": _least(rest, "threads"),
        "calls_waiting": _least(rest, "calls_waiting"),
        "pool_in_use": _least(rest, "pool_in_use"),
        "database_connections": _least(rest, "db_connections"),
        "database_idle_in_transaction": _least(rest, "db_idle_in_transaction"),
        "database_idle_in_transaction_s": highest(rest, "db_idle_in_transaction_s"),
        "jobs_waiting": _least(rest, "jobs_waiting"),
        "remaining": [
            {
                "process": each.process,
                "pid": each.pid,
                "kind": each.kind,
                "before": each.before,
                "after": each.after,
            }
            for each in observations.remaining
        ],
    }


def per_requests(samples: Sequence[Sample], key: str, requests: int) -> Trend | None:
    """Compute the trend of the lowest values per 1000 requests, after the warm-up."""
    seen = points(samples, key)
    pace_s = _pace_s(seen, requests)
    return trend(troughs(_warm(seen)), TREND_PER_REQUESTS * pace_s)


def _memory(samples: Sequence[Sample], requests: int) -> Memory | None:
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


def _level(samples: Sequence[Sample], key: str, requests: int) -> Level | None:
    found = extremes(samples, key)
    if found is None:
        return None
    return {**found, "trend_per_1000_requests": per_requests(samples, key, requests)}


def _restarts(samples: Sequence[Sample]) -> Restarts | None:
    """Serving processes that started and exited during the load."""
    started, exited = (
        values(samples[1:], "processes_started"),
        values(samples[1:], "processes_exited"),
    )
    return {"started": int(started[-1]), "exited": int(exited[-1])} if started and exited else None


def _event_loop(samples: Sequence[Sample]) -> EventLoop | None:
    """Blocks of the service's event loops during the load.

    The service reports the longest block of the last minute, which may be older than the load: it
    counts from the first block during the load, and at most as the sum of all blocks.
    """
    blocks, blocked_s = increase(samples, "loop_blocks"), increase(samples, "loop_blocked_s")
    if blocks is None or blocked_s is None:
        return _event_loop_lag(samples)
    begin = values(samples, "loop_blocks")[0]
    since = [sample for sample in samples if sample.get("loop_blocks", begin) != begin]
    longest_s = min(highest(since, "loop_longest_s") or blocked_s, blocked_s)
    return {
        "blocks": whole(blocks),
        "blocked_s": blocked_s,
        "longest_ms": round(1000 * longest_s, 3),
    }


def _loop_thread(samples: Sequence[Sample]) -> LoopThread | None:
    looks = increase(samples, "loop_thread_samples")
    if not looks:
        return None
    blocked = increase(samples, "loop_thread_blocked") or 0.0
    return {"samples": round(looks), "blocked_share": round(blocked / looks, 4)}


def _calls(observations: Observations) -> list[Calls]:
    """The hosts that the service waited for, the one with the most waiting calls first."""
    samples = len(values(observations.samples, "calls_waiting"))
    waited = [item for item in observations.calls.items() if item[1].waiting]
    most = sorted(waited, key=lambda item: -item[1].waiting)[:MAX_HOSTS]
    return [
        {
            "host": host,
            "program": each.program or None,
            "samples": each.samples,
            "waiting_avg": round(each.waiting / samples, 4) if samples else 0.0,
            "waiting_peak": each.peak,
            "longest_ms": float(each.longest_ms),
            "exchanges": each.exchanges,
            "sent_bytes": each.sent_bytes,
        }
        for host, each in most
    ]


def _event_loop_lag(samples: Sequence[Sample]) -> EventLoop | None:
    """Blocks of an event loop of which only the longest delay is known at each sample.

    Each delay of `BLOCK_S` or more counts as one block. A value that stays the same is of a service
    that does not reset it.
    """
    lags_s = values(samples, "loop_lag_s")
    if not lags_s:
        return None
    changed = [now for before, now in pairwise(lags_s) if now != before and now >= BLOCK_S]
    return {
        "blocks": len(changed),
        "blocked_s": round(sum(changed), 6),
        "longest_ms": round(1000 * max(changed, default=0.0), 3),
    }


def _pace_s(seen: Sequence[tuple[float, float]], requests: int) -> float:
    """Return the mean time between requests."""
    return (seen[-1][0] - seen[0][0]) / requests if seen and requests else 0.0


def _warm(seen: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    return seen[int(len(seen) * WARM_UP_SHARE) :]


def _least(samples: Sequence[Sample], key: str) -> float | None:
    return min(values(samples, key), default=None)
