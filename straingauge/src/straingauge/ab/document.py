"""The file of an A/B comparison; its JSON Schema is `result/format/schemas/ab-1.schema.json`."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from straingauge.ab.request_log import Requests
from straingauge.ab.trial import Trial
from straingauge.ab.variant import RunningVariant
from straingauge.compare import Change, Comparison, as_dict
from straingauge.result.assembly import environment
from straingauge.result.format.write import write_json

AB_VERSION: Final = 1


def comparison_of(
    name: str, trial: Trial, base: RunningVariant, head: RunningVariant
) -> Comparison:
    """Convert a trial to a comparison."""
    warnings = [f"{kind}: {detail}" for kind, detail in trial.problems.items()]
    if trial.ended is not None:
        warnings.insert(0, f"stopped after {trial.pairs} pairs of slots: {trial.ended}")
    return Comparison(name, _origin(base), _origin(head), trial.changes, warnings)


def write_document(
    comparison: Comparison,
    trial: Trial,
    *,
    started: datetime,
    configuration: Mapping[str, Any],
    near: Path,
    folder: Path,
) -> Path:
    """Write a comparison to ``<name>_ab_<YYYYMMDD_HHMMSS>.json``.

    Args:
        comparison: The comparison.
        trial: Its measurements.
        started: When it began.
        configuration: Options of the command, without secrets.
        near: A folder of the working tree.
        folder: Folder of the file.

    Raises:
        WriteError: The folder does not exist or is not writable, or the disk is full.
    """
    document = {
        "ab_version": AB_VERSION,
        "name": comparison.name,
        "started_at": started.isoformat(timespec="seconds"),
        "stopped_early": trial.ended,
        "invalid_reason": trial.invalid(),
        "configuration": dict(configuration),
        "environment": environment(near),
        "variants": {"base": dict(comparison.old), "head": dict(comparison.new)},
        "slot_s": trial.slot_s,
        "endpoints": {
            name: {variant: _columns(each, trial.pairs) for variant, each in variants.items()}
            for name, variants in trial.endpoints.items()
        },
        "comparison": as_dict(comparison),
    }
    return write_json(document, folder, f"{comparison.name}_ab", started)


def comparison_in(document: Mapping[str, Any]) -> Comparison:
    """Convert the file of a comparison back to it."""
    found = document["comparison"]
    changes = [
        Change(**{name: value for name, value in each.items() if name != "verdict"})
        for each in found["changes"]
    ]
    reason = document["invalid_reason"]
    warnings = [*([f"invalid: {reason}"] if reason else []), *found["warnings"]]
    return Comparison(found["name"], found["old"], found["new"], changes, warnings)


def _columns(requests: Requests, pairs: int) -> dict[str, Any]:
    """Requests of one variant to one endpoint: counts, and the median of each pair of slots."""
    order = np.argsort(requests.pairs, kind="stable")
    cuts = np.searchsorted(requests.pairs[order], np.arange(1, pairs))
    parts = np.split(requests.took_ms[order], cuts) if pairs else []
    return {
        "requests": requests.total,
        "errors": requests.errors,
        "rate_limited": requests.rate_limited,
        "by_pair": {
            "served": [part.size for part in parts],
            "p50_ms": [round(float(np.median(p)), 4) if p.size else None for p in parts],
        },
    }


def _origin(running: RunningVariant) -> dict[str, Any]:
    return {"source": running.variant.what, "commit": running.commit}
