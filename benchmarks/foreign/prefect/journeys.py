"""Journeys of Prefect's API: the draft of `straingauge init` with the requests of its dashboard.

The draft has the paths, the names and the checks. Written by hand: which operations the dashboard
sends, the bodies of the lists (each is a POST .../filter, which the draft takes for a change) and
the ids of `seed.sql`.
"""

import uuid

from straingauge import mix

FLOWS = 50
FLOW_RUNS = 50_000


def fields(*names):
    """Check that the response, or its first row, has these fields."""

    def check(response):
        content = response.json()
        rows = content if isinstance(content, list) else [content]
        missing = [name for name in names if not rows or name not in rows[0]]
        return f"missing: {', '.join(missing)}" if missing else None

    return check


def flow(user):
    """Pick a flow of seed.sql."""
    return str(uuid.UUID(int=user.random.randrange(FLOWS)))


def flow_run(user):
    """Pick a flow run of seed.sql."""
    return str(uuid.UUID(int=user.random.randrange(FLOW_RUNS)))


def read_flow_run(user):
    """Read Flow Run."""
    yield user.get(
        f"/api/flow_runs/{flow_run(user)}",
        name="GET /api/flow_runs/{id}",
        checks=[fields("id", "flow_id", "name")],
    )


def read_flow_runs_of_a_flow(user):
    """Read Flow Runs: the page of one flow."""
    yield user.post(
        "/api/flow_runs/filter",
        json={"limit": 10, "flows": {"id": {"any_": [flow(user)]}}},
        checks=[fields("id", "flow_id")],
    )


def read_logs(user):
    """Read Logs: those of one flow run."""
    yield user.post(
        "/api/logs/filter",
        json={"limit": 20, "logs": {"flow_run_id": {"any_": [flow_run(user)]}}},
        checks=[fields("id", "message")],
    )


def read_flow(user):
    """Read Flow."""
    yield user.get(
        f"/api/flows/{flow(user)}", name="GET /api/flows/{id}", checks=[fields("id", "name")]
    )


def health_check(user):
    """Health Check."""
    yield user.get("/api/health")


mix = mix(
    (read_flow_run, 3),
    (read_flow_runs_of_a_flow, 2),
    (read_logs, 3),
    (read_flow, 2),
    (health_check, 1),
)

endpoints = [
    "GET /api/flow_runs/{id}",
    "POST /api/flow_runs/filter",
    "POST /api/logs/filter",
    "GET /api/flows/{id}",
    "GET /api/health",
]
