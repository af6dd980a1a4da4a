"""The `service` and `cooldown` sections of a result."""

import statistics
from collections.abc import Sequence
from itertools import pairwise

from straingauge.observe import Observations, Sample
from straingauge.result.assembly.growth import ENDS, memory_growth, per_requests
from straingauge.result.assembly.limits import limits
from straingauge.result.assembly.sampling import (
    MB,
    extremes,
    highest,
    increase,
    points,
    shares,
    values,
    whole,
)
from straingauge.result.format.loop_thread import LoopThread
from straingauge.result.format.resources import (
    Calls,
    Cooldown,
    EventLoop,
    Level,
    Restarts,
    Service,
)

BLOCK_S = 0.1  # a shorter delay is that of a scheduler or of a garbage collector
MAX_HOSTS = 5


def service(observations: Observations, requests: int) -> Service:
    """Compose the `service` section."""
    samples = observations.samples
    found: Service = {
        "source": observations.source,
        "memory": memory_growth(samples, requests),
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


def _least(samples: Sequence[Sample], key: str) -> float | None:
    return min(values(samples, key), default=None)
