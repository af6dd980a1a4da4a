"""The origin of results: time, commit, machine and versions."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import peers
from straingauge.result.assembly import environment

HERE = Path(__file__).resolve().parent


def provenance() -> dict[str, Any]:
    """Describe a run of a bench that begins now."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine() | {"load_before": round(os.getloadavg()[0], 2)},
        "versions": peers.versions(),
    }


def commit() -> str:
    """Return the short name of the commit; with "+" if files of git have changed since."""
    found = environment(HERE)["commit"]
    return "unknown" if found is None else f"{found['id'][:8]}{'+' * found['modified']}"


def machine() -> dict[str, Any]:
    """Describe this machine and its Python."""
    found = environment(HERE)
    return {
        "cpu": found["machine"]["cpu"],
        "cores": found["machine"]["cpu_count"],
        "system": found["machine"]["system"],
        "python": found["python"],
    }
