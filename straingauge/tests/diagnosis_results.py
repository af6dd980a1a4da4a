"""A complete healthy result, of which each test changes only what its fault changes."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from straingauge.diagnosis import diagnose

ENDPOINTS = ("GET /items", "GET /items/{id}", "POST /items")
DURATION_S = 30.0
REQUESTS = 900


def healthy(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  parts of one
    """Return a healthy run, with parts replaced by their path: ``metrics__stalls``."""
    result: dict[str, Any] = {
        "name": "steady",
        "started_at": "2024-12-17T12:05:30+00:00",
        "configuration": {"users": 20, "schedule": {"kind": "constant"}},
        "environment": {"machine": {"cpu_count": 2}},
        "metrics": {
            **_figures(REQUESTS),
            "degradation": {
                "percent_per_minute": 1.0,
                "low_percent_per_minute": -3.0,
                "high_percent_per_minute": 5.0,
            },
            "slowest": [slow(ENDPOINTS[i % 3], 40.0 - i, at_s=1.4 * i) for i in range(20)],
            "stalls": {
                "count": 0,
                "longest_ms": 0,
                "total_s": 0,
                "period_s": None,
                "peak_waiting": 0,
            },
        },
        "endpoints": {name: _figures(REQUESTS // 3) for name in ENDPOINTS},
        "errors": {"kinds": {}, "examples": []},
        "phases": {},
        "resources": {
            "service": _service(),
            "pool": pool(),
            "database": _database(),
            "generator": {
                "processes": {
                    "a": {"sent": REQUESTS, "connections": 20, "reconnects": 0, "closed_idle": 0}
                }
            },
            "machine": {
                "cores": 2,
                "cpu_percent": {"avg": 60.0, "peak": 120.0},
                "others_cpu_percent": {"avg": 3.0, "peak": 15.0},
                "neighbours": [],
            },
            "cooldown": {
                "duration_s": 5.0,
                "memory_mb": 121.0,
                "open_files": 60,
                "threads": 5,
                "pool_in_use": 0,
                "database_connections": 8,
            },
            "jobs": {"waiting": {"initial": 0, "peak": 6, "final": 0}, "done": 20},
            "samples": samples(),
        },
        "validity": {"valid": True, "reasons": []},
        "verdict": {"grade": "target", "findings": []},
    }
    for path, value in changes.items():
        put(result, value, *path.split("__"))
    return result


def put(result: dict[str, Any], value: object, *path: str) -> None:
    """Replace the value at a path."""
    found = result
    for key in path[:-1]:
        found = found[key]
    assert path[-1] in found, f"a healthy result has no {path}"
    found[path[-1]] = value


def complaint(rule: str = "p95_ms", where: str = "", **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """An entry of a verdict that failed."""
    return {
        "rule": rule,
        "grade": "critical",
        "message": f"{rule} is bad",
        "endpoint": where,
        **more,
    }


def failed_run(*entries: Mapping[str, Any], **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a run whose verdict fails, by default because of slow responses."""
    verdict = {"grade": "critical", "findings": list(entries or [complaint()])}
    return healthy(verdict=verdict, **changes)


def noted(reason: str, severity: str = "note") -> dict[str, Any]:
    """A validity with one reason."""
    one = {"reason": reason, "severity": severity, "message": f"it is {reason}", "advice": ""}
    return {"valid": severity == "note", "reasons": [one]}


def causes(result: Mapping[str, Any]) -> list[str]:
    """The causes that a diagnosis names, best first."""
    return [cause["cause"] for cause in diagnose(result)]


def first(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first cause."""
    return diagnose(result)[0]


def slow(endpoint: str, response_ms: float, *, at_s: float, **parts_ms: float) -> dict[str, Any]:
    """One of the slowest requests."""
    return {
        "endpoint": endpoint,
        "start_s": at_s,
        "response_ms": response_ms,
        "service_ms": response_ms,
        "status": 200,
        "request_id": f"id-{at_s:g}",
        "parts_ms": parts_ms or {"pool": 0.2, "db": 5.0, "app": 4.0},
    }


def timing(**shares: float) -> dict[str, Any]:
    """Server-Timing whose parts take these shares of the time, both of the slowest and of all."""
    parts = {
        name: {"avg_ms": 20 * share, "p50_ms": 10 * share, "share": share, "share_slowest": share}
        for name, share in shares.items()
    }
    return {"responses": REQUESTS, "parts": parts}


def latency(p50: float, p95: float, p99: float) -> dict[str, float]:
    """Response times in milliseconds."""
    return {"avg": p50, "p50": p50, "p95": p95, "p99": p99, "max": 1.1 * p99}


def slowed(result: dict[str, Any], p50: float, p95: float, p99: float) -> dict[str, Any]:
    """The same result with these response times, for the whole run and each endpoint."""
    for part in (result["metrics"], *result["endpoints"].values()):
        part["latency_ms"] = latency(p50, p95, p99)
    return result


def samples(**figures: Sequence[float]) -> list[dict[str, float]]:
    """Sixty samples, two per second; given values are spread over them."""
    usual = {"pool_in_use": [0, 3, 1, 5, 2], "open_files": [40, 60, 61, 60]}
    rows = [{"t_s": i / 2} for i in range(60)]
    for name, values in {**usual, **figures}.items():
        for i, row in enumerate(rows):
            row[name] = values[i * len(values) // 60]
    return rows


def pool(**changes: float) -> dict[str, float]:
    """A connection pool in use."""
    usual = {"size": 10, "peak_in_use": 8, "peak_overflow": 0, "peak_waiters": 0}
    return {**usual, "waits": 0, "wait_s": 0.0, "avg_wait_ms": 0.1, "timeouts": 0, **changes}


def stalls(count: int, longest_ms: float, *, every_s: float | None) -> dict[str, Any]:
    """Pauses without any response."""
    total_s = count * longest_ms / 1000
    return {
        "count": count,
        "longest_ms": longest_ms,
        "total_s": total_s,
        "period_s": every_s,
        "peak_waiting": 7,
    }


def loop(blocks: int, longest_ms: float) -> dict[str, float]:
    """An event loop that was blocked."""
    return {"blocks": blocks, "blocked_s": blocks * longest_ms / 1000, "longest_ms": longest_ms}


def statement(query: str, **changes: float) -> dict[str, Any]:
    """One of the top statements."""
    usual = {"calls": REQUESTS, "total_ms": 900.0, "mean_ms": 1.0, "rows": REQUESTS}
    return {"query": query, **usual, "calls_per_request": 1.0, "share": 0.4, **changes}


def table(name: str = "items", **changes: float) -> dict[str, Any]:
    """A table's counters."""
    usual = {"rows": 50_000, "seq_scans": 0, "seq_rows_read": 0, "rows_per_seq_scan": 0}
    return {"table": name, **usual, "index_scans": 2_000, **changes}


def errors_of(
    kind: str, count: int, detail: str, *, at: Sequence[str] = ENDPOINTS, status: int | None = None
) -> dict[str, Any]:
    """Changes that make requests fail, for `healthy` and `failed_run`."""
    example = {"time": 1.0, "kind": kind, "detail": detail, "status": status, "request_id": "bad-1"}
    errors = {"kinds": {kind: count}, "examples": [example]}
    endpoints = {name: _figures(REQUESTS // 3) for name in ENDPOINTS}
    for name in at:
        endpoints[name]["errors"] = {
            "kinds": {kind: count // len(at)},
            "examples": [copy.deepcopy(example)],
        }
        if status:
            endpoints[name]["status_codes"] = {str(status): count // len(at)}
    return {"errors": errors, "endpoints": endpoints}


def _figures(requests: int) -> dict[str, Any]:
    return {
        "total_requests": requests,
        "duration_s": DURATION_S,
        "throughput_rps": requests / DURATION_S,
        "error_rate_percent": 0.0,
        "rate_limited": 0,
        "latency_ms": latency(10.0, 25.0, 38.0),
        "status_codes": {"200": requests},
        "errors": {"kinds": {}, "examples": []},
        "server_timing": timing(pool=0.02, db=0.5, app=0.38, unattributed=0.1),
    }


def _service() -> dict[str, Any]:
    return {
        "memory": {
            "initial_mb": 118.0,
            "final_mb": 120.0,
            "growth_mb": 2.0,
            "later_trend_mb_per_200_requests": {"slope": 0.0, "low": -0.2, "high": 0.2},
            "still_growing": False,
        },
        "cpu_percent": {"avg": 12.0, "peak": 35.0},
        "processes": {"initial": 1, "peak": 1, "final": 1},
        "event_loop": {"blocks": 1, "blocked_s": 0.02, "longest_ms": 20.0},
        "restarts": {"started": 0, "exited": 0},
        "cpu_wait_percent": {"avg": 1.0, "peak": 4.0},
        "accept_queue": {"initial": 0, "peak": 1, "final": 0},
        "calls": [],
        "runtime": {"language": None, "server": None},
    }


def _database() -> dict[str, Any]:
    return {
        "unavailable": [],
        "connections": {"max": 100, "peak": 9, "idle_in_transaction_longest_s": 0.0},
        "waits": [{"event": "LWLock:WALWrite", "share": 0.1, "peak": 1}],
        "blocked": {"peak": 0, "longest_s": 0.0, "examples": []},
        "statements": [
            statement("SELECT * FROM items WHERE id = $1"),
            statement("BEGIN", calls_per_request=4.0, share=0.01),
        ],
        "tables": [table(), table("kinds", rows=12, seq_scans=900, rows_per_seq_scan=12)],
        "deadlocks": 0,
    }
