"""Results of earlier versions, as the present one has them.

A result is checked against the schema of its own version, then brought up step by step. What an
earlier version did not measure stays unknown: null, or an empty list.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

SCHEMA_VERSION: Final = 2

_NONE: Final[list[Any]] = []
_NOT_MEASURED: Final = {"server_timing": None}
_NO_STALLS: Final = {"count": 0, "longest_ms": 0, "total_s": 0, "every_s": None, "waiting": 0}


def upgraded(result: Mapping[str, Any]) -> dict[str, Any]:
    """The same result in the present version; one that is of it is given back as it is."""
    found = dict(result)
    while (version := found["schema_version"]) != SCHEMA_VERSION:
        found = _STEPS[version](found) | {"schema_version": version + 1}
    return found


def _to_2(result: dict[str, Any]) -> dict[str, Any]:
    """Results of version 1 grew while it lasted: what a later one has is kept."""
    metrics: dict[str, Any] = {
        "degradation": None,
        "warmup": None,
        "slowest": [],
        "stalls": _NO_STALLS,
    }
    resources = ("jobs", "database", "machine", "after", "observer")
    return {
        "intervals": [],
        "diagnosis": [],
        **result,
        # All there was, before there was a choice.
        "configuration": {
            "connections": "per-user",
            "max_connections": None,
            **result["configuration"],
        },
        "metrics": {**_NOT_MEASURED, **metrics, **result["metrics"]},
        "endpoints": {
            name: {**_NOT_MEASURED, **figures} for name, figures in result["endpoints"].items()
        },
        "resources": {**dict.fromkeys(resources), **result["resources"]},
    }


_STEPS: Final[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: _to_2}
