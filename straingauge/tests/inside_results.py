"""A result with profile, traces and plans, as of a slow session list with N+1."""

import copy
from collections.abc import Iterator
from typing import Any

from located_results import INDEX, STATEMENT, located_result
from stream_results import ANSWER, with_streams, with_websocket

FRAMES: list[dict[str, Any]] = [
    {"file": file, "line": line, "function": function, "own": file.startswith("app/")}
    for file, line, function in (
        ("uvicorn/server.py", 12, "serve"),
        ("starlette/routing.py", 70, "handle"),
        ("fastapi/routing.py", 301, "run_endpoint_function"),
        ("app/sessions.py", 88, "list_sessions"),
        ("app/notes.py", 14, "summary_of"),
        ("re/__init__.py", 166, "match"),
        ("app/sessions.py", 91, "list_sessions"),
        ("json/encoder.py", 200, "encode"),
        ("app/jobs.py", 40, "run_next"),
    )
]
ENDPOINT = "GET /sessions"


def inside_result(**options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a result in trouble with everything that the page can show of a service's inside.

    Args:
        options: Of `sample_result`.
    """
    found = with_websocket(with_streams(located_result(**options), ANSWER))
    return {**found, "profile": profile(), "traces": traces(), "plans": plans()}


def profile() -> dict[str, Any]:
    """Return a profile of one process with two threads: 100 samples, 60 of them in one line."""
    stacks = [
        stack("MainThread", "running", 60, 0, 1, 2, 3, 4, 5),
        stack("MainThread", "running", 25, 0, 1, 2, 6, 7),
        stack("MainThread", "running", 5, 0, 1),
        stack("worker", "running", 10, 8),
        stack("worker", "thread", 4, 8, 7),
    ]
    return {
        "rate_hz": 100,
        "duration_s": 10.0,
        "running_samples": 100,
        "processes": [
            {
                "pid": 4711,
                "name": "uvicorn",
                "threads": [
                    {"name": "MainThread", "running_samples": 90},
                    {"name": "worker", "running_samples": 10},
                ],
            }
        ],
        "lines": [
            line("MainThread", FRAMES[4], own=60, total=60),
            line("MainThread", FRAMES[6], own=25, total=25),
            line("worker", FRAMES[8], own=10, total=10),
        ],
        "frames": copy.deepcopy(FRAMES),
        "stacks": stacks,
        "snapshots": {"count": 4, "tasks_visible": False},
        "stalls": [
            {
                "t_s": 11.2,
                "silent_ms": 412,
                "lines": [{"file": "app/notes.py", "line": 14, "function": "summary_of"}],
                "tasks": [],
            }
        ],
        "cost": {"cpu_percent": 1.8},
        "notes": [],
    }


def stack(thread: str, state: str, samples: int, *frames: int) -> dict[str, Any]:
    """Return one stack."""
    found = {"process": 4711, "thread": thread, "state": state}
    return {**found, "frames": [*frames], "samples": samples}


def line(thread: str, frame: dict[str, Any], *, own: int, total: int) -> dict[str, Any]:
    """Return one line of the service's code that was running."""
    place = {key: frame[key] for key in ("file", "line", "function")}
    counts = {"own_samples": own, "total_samples": total, "lasting_samples": 0, "snapshots": 0}
    return {"process": 4711, "thread": thread, "state": "running", **place, **counts}


def traces(repeats: int = 20) -> dict[str, Any]:
    """Return traces of one endpoint that repeats a statement, with one kept trace."""
    parts = {"queue_ms": 4.0, "own_ms": 60.0, "database_ms": 700.0, "http_ms": 30.0}
    counts = ("foreign", "over_limit", "damaged", "skewed", "without_parent", "refused_requests")
    spans = [*trace_spans(repeats)]
    return {
        "source": "explain",
        "requests": 150,
        "traced": 30,
        "spans": {"received": 700, "used": 690, **dict.fromkeys(counts, 0)},
        "endpoints": {
            ENDPOINT: {
                "traces": 30,
                "duration_ms": 812.0,
                "parts_ms": {**parts, "cache_ms": 0.0, "other_ms": 0.0, "unaccounted_ms": 18.0},
                "statements_per_request": repeats + 1.0,
            }
        },
        "statements": [
            {
                "endpoint": ENDPOINT,
                "statement": STATEMENT,
                "parent": ENDPOINT,
                "per_request": float(repeats),
                "most_per_request": repeats,
                "traces": 30,
                "avg_ms": 34.0,
                "max_ms": 60.0,
                "share": 0.83,
                "is_lock": False,
            }
        ],
        "calls": [
            {
                "endpoint": ENDPOINT,
                "host": "api.example.com:443",
                "per_request": 1.0,
                "traces": 30,
                "calls": 30,
                "errors": 1,
                "avg_ms": 30.0,
                "max_ms": 90.0,
                "share": 0.04,
            }
        ],
        "kept": [
            {
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
                "endpoint": ENDPOINT,
                "response_ms": 812.0,
                "status": 200,
                "spans": spans,
                "omitted_spans": 0,
            }
        ],
        "notes": ["2 spans had no parent"],
    }


def trace_spans(repeats: int) -> Iterator[dict[str, Any]]:
    """Yield the spans of one request: one statement, the same one several times, one call."""
    yield span("1", None, ENDPOINT, "server", 4.0, 790.0)
    yield span(
        "2", "1", "SELECT sessions", "database", 10.0, 12.0, detail="SELECT id FROM sessions"
    )
    for n in range(repeats):
        yield span(f"n{n}", "1", "SELECT notes", "database", 30.0 + 35 * n, 34.0, detail=STATEMENT)
    yield span(
        "3", "1", "GET", "http", 750.0, 30.0, detail="https://api.example.com/x", is_error=True
    )


def span(
    id_: str,
    parent_id: str | None,
    name: str,
    category: str,
    *times_ms: float,
    detail: str = "",
    is_error: bool = False,
) -> dict[str, Any]:
    """Return one span, with its start and duration."""
    found = {"id": id_, "parent_id": parent_id, "name": name, "service": "app"}
    times = dict(zip(("start_ms", "duration_ms"), times_ms, strict=True))
    return {**found, **times, "category": category, "detail": detail, "is_error": is_error}


def plans() -> dict[str, Any]:
    """Return one plan with an index that was tried."""
    node = {"kind": "sequential_scan", "table": "public.notes", "rows": 50_000.0}
    text = "reads all 50,000 rows of public.notes for about 20"
    index = {"table": "public.notes", "create": INDEX, "before_ms": 38.0, "after_ms": 0.4}
    lines = ["Sort (cost=1240.12)", "  -> Seq Scan on notes (cost=1180.00)"]
    return {
        "statements": [
            {
                "statement": STATEMENT,
                "nodes": [{**node, "text": text}],
                "index": index,
                "plan": lines,
            }
        ],
        "notes": [],
    }
