"""The measurement of the cost of one size: CPU time `cpu` and memory `memory_mb`."""

import generators as by
from case import Bench
from measurement import Metrics, Window, run_script
from runs import measure_patiently

SIMULATED_RATE_PER_S = 200
TIMEOUT_S = 180


def measure_users(users: int, bench: Bench) -> Metrics:
    """Measure requests without pauses, once all users are connected."""
    ramp_s = 2 + users // 500
    return _measure_load(
        f"users_{users}",
        bench,
        Window(bench.seconds, ramp_s + bench.seconds, lambda now, _: now.active >= users),
    )


def measure_endpoints(endpoints: int, bench: Bench) -> Metrics:
    """Measure requests under names in turn."""
    return _measure_load(f"endpoints_{endpoints}", bench, Window(bench.seconds, bench.seconds + 2))


def measure_workers(workers: int, bench: Bench) -> Metrics:
    """Measure a load that is shared by processes, all on one core; memory is that of one."""
    return _measure_load(f"workers_{workers}", bench, Window(bench.seconds, bench.seconds + 2))


def measure_length(length_min: int, bench: Bench) -> Metrics:
    """Measure the record of a number of minutes, in simulated time."""
    report = _run("hour.py", bench, str(length_min), str(SIMULATED_RATE_PER_S))
    return {"cpu": report["add_us"], "memory_mb": report["memory_mb"]}


def measure_result(endpoints: int, bench: Bench) -> Metrics:
    """Measure how a result is composed, written, read and shown as a page."""
    return _run("result.py", bench, str(endpoints))


def _measure_load(case: str, bench: Bench, window: Window) -> Metrics:
    metrics = measure_patiently(by.straingauge(case), bench, window)
    return {"cpu": metrics["cpu_us"], "memory_mb": metrics["peak_mb"]}


def _run(script: str, bench: Bench, *arguments: str) -> Metrics:
    return run_script(str(by.LOADS / script), bench.core, *arguments, timeout_s=TIMEOUT_S)
