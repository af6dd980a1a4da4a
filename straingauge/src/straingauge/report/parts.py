"""The parts of the response time, from the service's Server-Timing header, in order and colour."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

UNATTRIBUTED: Final = "unattributed"


def ordered(names: Iterable[str]) -> list[str]:
    """Sort names of parts; time that the service did not name comes last, on top of a stack."""
    return sorted(set(names), key=lambda name: (name in (UNATTRIBUTED, "other"), name))


def part_styles(result: Mapping[str, Any]) -> dict[str, str]:
    """CSS class of each part of a run, the same for all its endpoints, tables and charts."""
    every = (result["metrics"], *result["endpoints"].values())
    timings = [each.get("server_timing") or {} for each in every]
    names = ordered(name for timing in timings for name in timing.get("parts", {}))
    return {
        name: UNATTRIBUTED if name == UNATTRIBUTED else f"s{number}"
        for number, name in enumerate(names)
    }
