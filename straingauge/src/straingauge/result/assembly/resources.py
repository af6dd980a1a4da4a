"""The `resources` section of a result, from the samples of the observer."""

from collections.abc import Mapping, Sequence

from straingauge.engine import EngineStats
from straingauge.observe import Observations, Sample
from straingauge.result.assembly.database import database
from straingauge.result.assembly.growth import per_requests
from straingauge.result.assembly.limits import generator_limits
from straingauge.result.assembly.log_deviation import log_deviation
from straingauge.result.assembly.machine import machine
from straingauge.result.assembly.sampling import extremes, highest, increase, points, shares, whole
from straingauge.result.assembly.service import cooldown, service
from straingauge.result.format.resources import Generator, Jobs, ObserverCost, Pool, Resources


def resources(
    observations: Observations | None,
    engines: Mapping[str, EngineStats],
    requests: int,
    start_ns: int | None = None,
) -> Resources:
    """Compose the section, for the main phase.

    Args:
        observations: The observations; None without an observer.
        engines: The engine statistics of each process.
        requests: The number of requests in that time.
        start_ns: Start of the load, from which the times of samples count (`time.monotonic_ns`);
            None for the first sample.
    """
    samples = observations.samples if observations else []
    origin_ns = start_ns if start_ns is not None or not samples else samples[0]["t_ns"]
    return {
        "service": service(observations, requests) if observations else None,
        "pool": _pool(samples, requests),
        "jobs": _jobs(samples),
        "database": database(observations.database, samples, requests) if observations else None,
        "machine": machine(observations) if observations else None,
        "cooldown": cooldown(observations) if observations else None,
        "generator": _generator(engines, samples),
        "observer": _observer(samples),
        "samples": [_shown(sample, origin_ns or 0) for sample in samples],
    }


def _pool(samples: Sequence[Sample], requests: int) -> Pool | None:
    """The service's pool: extremes of gauges, increases of counters."""
    if not any("pool_in_use" in sample for sample in samples):
        return None
    waits, wait_s = increase(samples, "pool_waits"), increase(samples, "pool_wait_s")
    return {
        "size": highest(samples, "pool_size"),
        "peak_in_use": highest(samples, "pool_in_use"),
        "in_use_trend_per_1000_requests": per_requests(samples, "pool_in_use", requests),
        "peak_overflow": highest(samples, "pool_overflow"),
        "peak_waiters": highest(samples, "pool_waiters"),
        "waits": waits,
        "wait_s": wait_s,
        "avg_wait_ms": round(1000 * wait_s / waits, 3) if waits and wait_s is not None else 0.0,
        "timeouts": increase(samples, "pool_timeouts"),
    }


def _jobs(samples: Sequence[Sample]) -> Jobs | None:
    waiting = extremes(samples, "jobs_waiting")
    if waiting is None:
        return None
    return {"waiting": waiting, "done": whole(increase(samples, "jobs_done"))}


def _observer(samples: Sequence[Sample]) -> ObserverCost | None:
    """CPU time of the observer, in percent of one core of the generator's machine."""
    cost = shares(points(samples, "observer_cpu_s"))
    return None if cost is None else {"cpu_percent": cost["avg"]}


def _generator(engines: Mapping[str, EngineStats], samples: Sequence[Sample]) -> Generator:
    generator: Generator = {
        "processes": {
            name: {
                "sent": engine.sent,
                "dropped": engine.dropped,
                "queued": engine.waited,
                "connections": engine.connections,
                "reconnects": engine.reconnected,
                "closed_idle": engine.closed_idle,
                "start_delay_p99_ms": round(engine.start_delay_ms.p99, 3),
                "loop_lag_p99_ms": round(engine.loop_lag_ms.p99, 3),
                "cpu_percent": round(100 * engine.cpu_share, 1),
            }
            for name, engine in engines.items()
        },
        "sent": sum(engine.sent for engine in engines.values()),
        "dropped": sum(engine.dropped for engine in engines.values()),
        "arrivals_percent": _arrivals_percent(engines),
    }
    if opened := sum(engine.connections for engine in engines.values()):
        http2 = sum(engine.http2_connections for engine in engines.values())
        found = (["HTTP/2"] if http2 else []) + (["HTTP/1.1"] if opened > http2 else [])
        generator["protocol"] = " and ".join(found)
    if (deviation := log_deviation(engines)) is not None:
        generator["log_deviation_ms"] = deviation
    if (found_limits := generator_limits(samples)) is not None:
        generator["limits"] = found_limits
    return generator


def _arrivals_percent(engines: Mapping[str, EngineStats]) -> float | None:
    """Journeys begun, in percent of the arrivals that were due; None if unknown (Locust)."""
    begun = sum(engine.journeys for engine in engines.values())
    due = begun + sum(engine.dropped for engine in engines.values())
    return round(100 * begun / due, 3) if begun else None


def _shown(sample: Sample, origin_ns: float) -> dict[str, float]:
    return {
        "t_s": round((sample["t_ns"] - origin_ns) / 1e9, 3),
        **{key: round(value, 6) for key, value in sample.items() if key != "t_ns"},
    }
