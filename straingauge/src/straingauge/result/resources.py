"""What the observer's samples come to: memory and its growth, CPU, the pool, the generator."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from straingauge.engine import EngineReport
from straingauge.observe import Sample, Watched
from straingauge.summary import theil_sen

MB = 1e6
PER_REQUESTS = 200
ENDS = 3  # samples whose median is the memory at the beginning, and at the end
FEWEST_FOR_TREND = 8


def resources(
    watched: Watched | None, engines: Mapping[str, EngineReport], requests: int
) -> dict[str, Any]:
    """The `resources` part of a result, of the samples of its main phase.

    Args:
        watched: What was seen; None when nobody looked.
        engines: What the engine of each process says of itself.
        requests: Sent in that time.
    """
    samples = watched.samples if watched else []
    return {
        "service": _service(watched, samples, requests) if watched else None,
        "pool": _pool(samples),
        "generator": _generator(engines),
        "samples": [_shown(sample, samples[0]["t_ns"]) for sample in samples],
    }


def _service(watched: Watched, samples: Sequence[Sample], requests: int) -> dict[str, Any]:
    return {
        "seen_by": watched.seen_by,
        "memory": _memory(samples, requests),
        "cpu_percent": _cpu(samples),
        "processes": _extremes(samples, "processes"),
        "threads": _extremes(samples, "threads"),
        "open_files": _extremes(samples, "open_files"),
        "helpers": {
            "processes": _extremes(samples, "helpers"),
            "memory_peak_mb": _highest(samples, "helper_rss_bytes", MB),
        },
    }


def _memory(samples: Sequence[Sample], requests: int) -> dict[str, Any] | None:
    """Resident memory of the serving processes, and how it grows by what it is asked.

    `growth_mb_per_200_requests` is the Theil-Sen slope over the run, so that one late jump of the
    allocator is no leak; `steady` says that it surely still grew in the second half of the run: a
    cache that fills and stops does not.
    """
    seen = [(sample["t_ns"], sample["rss_bytes"]) for sample in samples if "rss_bytes" in sample]
    if not seen:
        return None
    sizes = [size for _, size in seen]
    initial, final = statistics.median(sizes[:ENDS]), statistics.median(sizes[-ENDS:])
    elapsed_s = (seen[-1][0] - seen[0][0]) / 1e9
    per_request = elapsed_s / requests if requests else 0.0
    whole = _growth(seen, per_request)
    later = _growth(seen[len(seen) // 2 :], per_request)
    growth = (final - initial) / MB
    fallback = growth / requests * PER_REQUESTS if requests else None
    return {
        "initial_mb": round(initial / MB, 3),
        "peak_mb": round(max(sizes) / MB, 3),
        "final_mb": round(final / MB, 3),
        "growth_mb": round(growth, 3),
        "growth_mb_per_200_requests": whole["slope"] if whole else fallback,
        "trend_mb_per_200_requests": whole,
        "later_trend_mb_per_200_requests": later,
        "steady": bool(whole and later and whole["low"] > 0 and later["low"] > 0),
        "uss_peak_mb": _highest(samples, "uss_bytes", MB),
    }


def _growth(seen: Sequence[tuple[float, float]], s_per_request: float) -> dict[str, float] | None:
    """MB for each 200 requests, with its interval."""
    if len(seen) < FEWEST_FOR_TREND or not s_per_request:
        return None
    trend = theil_sen([t_ns / 1e9 for t_ns, _ in seen], [size / MB for _, size in seen])
    if trend is None:
        return None
    scale = s_per_request * PER_REQUESTS
    return {
        name: round(value * scale, 4)
        for name, value in (("slope", trend.slope), ("low", trend.low), ("high", trend.high))
    }


def _cpu(samples: Sequence[Sample]) -> dict[str, float] | None:
    """CPU time by time passed, in percent of one core."""
    seen = [(sample["t_ns"] / 1e9, sample["cpu_s"]) for sample in samples if "cpu_s" in sample]
    shares = [
        100 * max(cpu_s - cpu0_s, 0.0) / (t_s - t0_s)
        for (t0_s, cpu0_s), (t_s, cpu_s) in pairwise(seen)
        if t_s > t0_s
    ]
    if not shares:
        return None
    return {"avg": round(statistics.fmean(shares), 1), "peak": round(max(shares), 1)}


def _pool(samples: Sequence[Sample]) -> dict[str, Any] | None:
    """The pool as the service tells it: extremes of what is, differences of what is counted."""
    if not any("pool_in_use" in sample for sample in samples):
        return None
    waits, wait_s = _increase(samples, "pool_waits"), _increase(samples, "pool_wait_s")
    return {
        "size": _highest(samples, "pool_size"),
        "peak_in_use": _highest(samples, "pool_in_use"),
        "peak_overflow": _highest(samples, "pool_overflow"),
        "peak_waiters": _highest(samples, "pool_waiters"),
        "waits": waits,
        "wait_s": wait_s,
        "wait_avg_ms": round(1000 * wait_s / waits, 3) if waits and wait_s is not None else 0.0,
        "timeouts": _increase(samples, "pool_timeouts"),
    }


def _generator(engines: Mapping[str, EngineReport]) -> dict[str, Any]:
    return {
        "processes": {
            name: {
                "sent": engine.sent,
                "dropped": engine.dropped,
                "waited": engine.waited,
                "connections": engine.connections,
                "reconnected": engine.reconnected,
                "waited_for_connection": engine.waited_for_connection,
                "late_p99_ms": round(engine.late_ms.p99, 3),
                "loop_lag_p99_ms": round(engine.loop_lag_ms.p99, 3),
                "cpu_percent": round(100 * engine.cpu_share, 1),
            }
            for name, engine in engines.items()
        },
        "sent": sum(engine.sent for engine in engines.values()),
        "dropped": sum(engine.dropped for engine in engines.values()),
    }


def _values(samples: Iterable[Sample], key: str) -> list[float]:
    return [sample[key] for sample in samples if key in sample]


def _highest(samples: Sequence[Sample], key: str, unit: float = 1.0) -> float | None:
    values = _values(samples, key)
    return round(max(values) / unit, 3) if values else None


def _extremes(samples: Sequence[Sample], key: str) -> dict[str, float] | None:
    values = _values(samples, key)
    return {"initial": values[0], "peak": max(values), "final": values[-1]} if values else None


def _increase(samples: Sequence[Sample], key: str) -> float | None:
    """How much a counter grew; a process that began anew counts from 0 again."""
    values = _values(samples, key)
    if not values:
        return None
    steps = pairwise(values)
    return round(sum(now - before if now >= before else now for before, now in steps), 6)


def _shown(sample: Sample, origin_ns: float) -> dict[str, float]:
    return {
        "t_s": round((sample["t_ns"] - origin_ns) / 1e9, 3),
        **{key: round(value, 6) for key, value in sample.items() if key != "t_ns"},
    }
