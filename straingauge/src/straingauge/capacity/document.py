"""The file of a search for capacity.

Versions of the format, with their JSON Schemas in `result/format/schemas/`:
    1   name, started_at, ended, configuration, environment, unit, capacity, best, failed, at_least,
        confirmed, knee, usl, levels, first_failure
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from straingauge.capacity.capacity_run import CapacityRun
from straingauge.capacity.level import is_load_dependent
from straingauge.diagnosis import diagnose, first_failure
from straingauge.result.assembly import environment
from straingauge.result.format.write import write_json

CAPACITY_VERSION: Final = 1
# A failure without a threshold, such as a backlog, counts as one of throughput.
_FAILURE: Final = {
    "rule": "throughput_rps",
    "grade": "critical",
    "endpoint": "",
    "value": None,
    "threshold": None,
    "cause": None,
}


def document(
    capacity_run: CapacityRun,
    *,
    name: str,
    unit: str,
    started: datetime,
    configuration: Mapping[str, Any],
    near: Path,
) -> dict[str, Any]:
    """Compose the file of a search.

    Args:
        capacity_run: The search.
        name: Name of the run.
        unit: Unit of a level: "/s" or "users".
        started: When it began.
        configuration: Options of the command, without secrets.
        near: A folder of the working tree.
    """
    usl, knee = capacity_run.usl, capacity_run.knee
    return {
        "capacity_version": CAPACITY_VERSION,
        "name": name,
        "started_at": started.isoformat(timespec="seconds"),
        "stopped_early": capacity_run.ended,
        "configuration": dict(configuration),
        "environment": environment(near),
        "unit": unit,
        "capacity": capacity_run.capacity,
        "highest_passed": capacity_run.search.best,
        "lowest_failed": capacity_run.search.failed,
        "is_lower_bound": capacity_run.search.at_least,
        "confirmations": capacity_run.search.confirmed,
        "knee": None if knee is None else knee.level,
        "usl": None if usl is None else asdict(usl),
        "levels": [level.as_dict() for level in capacity_run.levels],
        "limit": _limit(capacity_run),
    }


def write_document(found: Mapping[str, Any], folder: Path) -> Path:
    """Write a search to ``<name>_capacity_<YYYYMMDD_HHMMSS>.json``.

    Raises:
        WriteError: The folder does not exist or is not writable, or the disk is full.
    """
    started = datetime.fromisoformat(found["started_at"])
    return write_json(found, folder, f"{found['name']}_capacity", started)


def _limit(capacity_run: CapacityRun) -> dict[str, Any] | None:
    """First failure and causes at the lowest level that failed."""
    result = capacity_run.limit_result
    if result is None:
        return None
    verdict = result["verdict"]
    entries = [each for each in verdict["findings"] if is_load_dependent(each)]
    first = first_failure([{**result, "verdict": {**verdict, "findings": entries}}])
    least = [
        each
        for each in capacity_run.levels
        if each.level == capacity_run.search.failed and not each.passed
    ]
    why = list(least[0].reasons) if least else []
    failures = [{**_FAILURE, "message": each} for each in why]
    failing = {**verdict, "findings": [*verdict["findings"], *failures]}
    return {
        "level": capacity_run.search.failed,
        "first_failure": first.as_dict() if first else None,
        "reasons": why,
        "diagnosis": result["diagnosis"] or diagnose({**result, "verdict": failing}),
    }
