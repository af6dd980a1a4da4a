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
from straingauge.capacity.level import of_load
from straingauge.diagnosis import diagnose, first_failure
from straingauge.result.assembly import environment
from straingauge.result.format.write import write_json

CAPACITY_VERSION: Final = 1
# What a level did not keep though no threshold says so, such as falling behind: of speed.
_COMPLAINT: Final = {
    "rule": "throughput_rps",
    "grade": "critical",
    "endpoint": "",
    "value": None,
    "threshold": None,
    "cause": None,
}


def document(
    hunt: CapacityRun,
    *,
    name: str,
    unit: str,
    started: datetime,
    configuration: Mapping[str, Any],
    near: Path,
) -> dict[str, Any]:
    """All that was found.

    Args:
        hunt: The search.
        name: Of the run.
        unit: Of a level: "/s" or "users".
        started: When it began.
        configuration: What the user asked for; no secrets.
        near: A folder of the work tree.
    """
    law, knee = hunt.law, hunt.knee
    return {
        "capacity_version": CAPACITY_VERSION,
        "name": name,
        "started_at": started.isoformat(timespec="seconds"),
        "stopped_early": hunt.ended,
        "configuration": dict(configuration),
        "environment": environment(near),
        "unit": unit,
        "capacity": hunt.capacity,
        "highest_passed": hunt.search.best,
        "lowest_failed": hunt.search.failed,
        "is_lower_bound": hunt.search.at_least,
        "confirmations": hunt.search.confirmed,
        "knee": None if knee is None else knee.level,
        "usl": None if law is None else asdict(law),
        "levels": [level.as_dict() for level in hunt.levels],
        "limit": _broken(hunt),
    }


def write_document(found: Mapping[str, Any], folder: Path) -> Path:
    """Write it to ``<name>_capacity_<YYYYMMDD_HHMMSS>.json``.

    Raises:
        WriteError: No such directory, no space, no right; nothing is left behind.
    """
    started = datetime.fromisoformat(found["started_at"])
    return write_json(found, folder, f"{found['name']}_capacity", started)


def _broken(hunt: CapacityRun) -> dict[str, Any] | None:
    """What gave first at the least level that did not hold, and why."""
    result = hunt.broke
    if result is None:
        return None
    verdict = result["verdict"]
    entries = [each for each in verdict["findings"] if of_load(each)]
    first = first_failure([{**result, "verdict": {**verdict, "findings": entries}}])
    least = [each for each in hunt.levels if each.level == hunt.search.failed and not each.passed]
    why = list(least[0].reasons) if least else []
    told = [{**_COMPLAINT, "message": each} for each in why]
    complaining = {**verdict, "findings": [*verdict["findings"], *told]}
    return {
        "level": hunt.search.failed,
        "first_failure": asdict(first) if first else None,
        "reasons": why,
        "diagnosis": result["diagnosis"] or diagnose({**result, "verdict": complaining}),
    }
