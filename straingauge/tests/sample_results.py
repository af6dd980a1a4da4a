"""Sample results for reports, composed from a recorder and judged."""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from straingauge.http import ErrorKind, RequestFailed, encode_headers
from straingauge.observe import DatabaseStats, Observations
from straingauge.recording import Recorder
from straingauge.result.assembly import compose, conclude
from straingauge.verdict import Thresholds
from straingauge.workers import MergedReports, Report, RunMetadata

MS = 1_000_000
ENDPOINTS = ("GET /items", "POST /items")
SECONDS, EACH_SECOND = 20, 20
TROUBLE_S = range(10, 14)
THRESHOLDS = {
    "all": {
        "p95_ms": {"target": 30, "warning": 50, "critical": 400},
        "error_rate_percent": {"target": 0, "warning": 1, "critical": 5},
    }
}


def sample_result(
    name: str = "steady",
    *,
    endpoints: Sequence[str] = ENDPOINTS,
    trouble: bool = False,
    message: str = "no answer",
    minute: int = 0,
) -> dict[str, Any]:
    """Return a result: each endpoint 20 times a second, 5 to 24 ms, or 40 times as long in trouble.

    Args:
        name: Name of the run.
        endpoints: Names of the endpoints.
        trouble: Make 4 seconds slow, and let each fifth request in them fail.
        message: Message of the failed requests.
        minute: Minute of the start time.
    """
    result: dict[str, Any] = {**copy.deepcopy(_judged_run(tuple(endpoints), message, trouble))}
    result |= {"name": name, "started_at": f"2026-01-01T12:{minute:02d}:00+00:00"}
    return result


@cache
def _judged_run(endpoints: tuple[str, ...], message: str, trouble: bool) -> Mapping[str, Any]:  # noqa: FBT001  a key
    metadata = RunMetadata(
        name="steady",
        started_at="2026-01-01T12:00:00+00:00",
        configuration={"target": "http://localhost:8000", "users": 20},
        environment={"python": "3.11"},
    )
    database = DatabaseStats()
    samples: list[Mapping[str, float]] = [*_samples(trouble=trouble)]
    cooldown: list[Mapping[str, float]] = [
        {**samples[-1], "t_ns": samples[-1]["t_ns"] + n * 1000 * MS} for n in (1, 2)
    ]
    observations = Observations(
        samples=samples, cooldown=cooldown, source="process", database=database
    )
    record = _recorded(endpoints, message, trouble=trouble)
    sent = SECONDS * EACH_SECOND * len(endpoints)
    report = Report("main", time.monotonic_ns(), sent, record, observations=observations)
    thresholds = Thresholds.parse(THRESHOLDS, source="a test")
    return conclude(compose(MergedReports((report,), metadata=metadata)), thresholds)[0]


def _recorded(endpoints: Sequence[str], message: str, *, trouble: bool) -> bytes:
    recorder = Recorder()
    for endpoint in endpoints:
        sink = recorder.endpoint_sink("main", endpoint, 0)
        for n in range(SECONDS * EACH_SECOND):
            at_ns = n * 1000 // EACH_SECOND * MS
            slow = trouble and at_ns // (1000 * MS) in TROUBLE_S
            took_ms = (5 + n % EACH_SECOND) * (40 if slow else 1)
            stamps = (at_ns, at_ns + MS, at_ns + 2 * MS, at_ns + took_ms * MS)
            if slow and n % 5 == 0:
                sink.add_failure(*stamps, RequestFailed(ErrorKind.TIMEOUT, message))
                continue
            timing = f"db;dur={took_ms / 2}, app;dur=1"
            sink.add(*stamps, 200, encode_headers([(b"Server-Timing", timing.encode())]))
    return recorder.snapshot().to_bytes()


def _samples(*, trouble: bool) -> Iterator[dict[str, float]]:
    for n in range(2 * SECONDS + 1):
        slow = trouble and n // 2 in TROUBLE_S
        yield {
            "t_ns": n * 500 * MS,
            "rss_bytes": 100e6,
            "cpu_s": 0.1 * n,
            "open_files": 30,
            "threads": 4,
            "processes": 1,
            "pool_size": 5,
            "pool_in_use": 5 if slow else n % 2,
            "pool_waiters": 9 if slow else 0,
            "db_active": 5 if slow else n % 2,
            "db_idle_in_transaction": 0,
            "db_waiting_for_locks": 4 if slow else 0,
            "db_blocked": 0,
        }
