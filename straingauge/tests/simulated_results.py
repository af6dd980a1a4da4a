"""Results of runs that were never made: response times drawn by chance, from a seed."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from straingauge.engine import Delay, EngineStats
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Recorder
from straingauge.result.assembly import compose, conclude
from straingauge.result.format.result import MachineDict
from straingauge.verdict import Thresholds
from straingauge.workers import MergedReports, Report, RunMetadata

DURATION_S = 20
MEDIAN_MS = {"GET /a": 20.0, "GET /b": 5.0, "POST /c": 60.0}
MACHINE: MachineDict = {
    "system": "Linux 6",
    "architecture": "x",
    "cpu": "c",
    "cpu_count": 2,
    "memory_mb": 8000,
}
_IDLE = EngineStats(
    *(0, 0, 0, 0, 0, 0, 0),
    start_delay_ms=Delay(0, 0, 0),
    loop_lag_ms=Delay(0, 0, 0),
    cpu_share=0.1,
    duration_s=DURATION_S,
    interrupted=False,
)


def simulated(
    seed: int,
    *,
    times: Mapping[str, float] | None = None,
    failing: Mapping[str, int] | None = None,
    restless: float = 0.0,
    requests: int = 1500,
    **changes: Any,  # noqa: ANN401  parts of a result
) -> dict[str, Any]:
    """The result of a run whose response times are log-normal, in each endpoint the same number.

    Args:
        seed: The same seed gives the same run.
        times: By how much to multiply an endpoint's times.
        failing: Every how many-th request of an endpoint fails.
        restless: How differently slow the seconds are: deviation of the logarithm.
        requests: Of each endpoint.
        changes: Replace parts of the result.
    """
    random = np.random.default_rng(seed)
    seconds = random.normal(0, restless, DURATION_S) if restless else np.zeros(DURATION_S)
    recorder = Recorder()
    for endpoint, median_ms in MEDIAN_MS.items():
        sink = recorder.endpoint_sink("main", endpoint, 0)
        starts_s = random.uniform(0, DURATION_S, requests)
        logs = random.normal(0, 0.3, requests) + seconds[starts_s.astype(int)]
        took_ns = np.exp(logs) * median_ms * 1e6 * (times or {}).get(endpoint, 1.0)
        every = (failing or {}).get(endpoint, requests + 1)
        for number, (start, took) in enumerate(zip(starts_s, took_ns, strict=True), 1):
            start_ns = int(start * 1e9)
            stamps = (start_ns, start_ns, start_ns + 1, start_ns + int(took))
            if number % every:
                sink.add(*stamps, 200, None)
            else:
                sink.add_failure(*stamps, RequestFailed(ErrorKind.BAD_STATUS, "answered 500"))
    record = recorder.snapshot()
    report = Report(
        process="main",
        at_ns=time.monotonic_ns(),
        requests=record.requests("main"),
        record=record.to_bytes(),
        engines={"main": _IDLE},
    )
    metadata = RunMetadata(
        name="simulated",
        started_at="2026-01-01T00:00:00+00:00",
        configuration={"users": 4, "target": "http://127.0.0.1:8000"},
        environment={"machine": MACHINE, "python": "3.11", "packages": {}, "commit": None},
    )
    demands = Thresholds.parse({}, source="simulated_results.py")
    result, _ = conclude(compose(MergedReports((report,), metadata=metadata)), demands)
    return {**result, **changes}
