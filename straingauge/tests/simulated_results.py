"""Results of simulated runs: random response times from a seed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from load_results import result_of_one_process
from straingauge.engine import Delay, EngineStats
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Recorder
from straingauge.result.format.result import MachineDict

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


def simulate(
    seed: int,
    *,
    times: Mapping[str, float] | None = None,
    failing: Mapping[str, int] | None = None,
    variation: float = 0.0,
    spread: float = 0.3,
    outage: tuple[float, float] = (0.0, 0.0),
    requests: int = 1500,
    **changes: Any,  # noqa: ANN401  parts of a result
) -> dict[str, Any]:
    """Simulate a run with log-normal response times and the same number of requests per endpoint.

    Args:
        seed: The same seed gives the same run.
        times: Factors for the response times of endpoints.
        failing: Interval of failed requests, by endpoint: 50 for each 50th.
        variation: Standard deviation of the logarithm of the times between seconds.
        spread: Standard deviation of the logarithm of the times; 0 for constant times.
        outage: Start and end in seconds of a time without requests.
        requests: Number of requests of each endpoint.
        changes: Parts of the result to replace.
    """
    random = np.random.default_rng(seed)
    seconds = random.normal(0, variation, DURATION_S) if variation else np.zeros(DURATION_S)
    recorder = Recorder()
    for endpoint, median_ms in MEDIAN_MS.items():
        sink = recorder.endpoint_sink("main", endpoint, 0)
        starts_s = random.uniform(0, DURATION_S, requests)
        starts_s = starts_s[(starts_s < outage[0]) | (starts_s >= outage[1])]
        logs = random.normal(0, spread, starts_s.size) + seconds[starts_s.astype(int)]
        took_ns = np.exp(logs) * median_ms * 1e6 * (times or {}).get(endpoint, 1.0)
        every = (failing or {}).get(endpoint, requests + 1)
        for number, (start, took) in enumerate(zip(starts_s, took_ns, strict=True), 1):
            start_ns = int(start * 1e9)
            stamps = (start_ns, start_ns, start_ns + 1, start_ns + int(took))
            if number % every:
                sink.add(*stamps, 200, None)
            else:
                sink.add_failure(*stamps, RequestFailed(ErrorKind.BAD_STATUS, "answered 500"))
    found = result_of_one_process(
        "simulated",
        recorder,
        _IDLE,
        {},
        configuration={"users": 4, "target": "http://127.0.0.1:8000"},
        environment={"machine": MACHINE, "python": "3.11", "packages": {}, "commit": None},
    )
    return {**found, **changes}
