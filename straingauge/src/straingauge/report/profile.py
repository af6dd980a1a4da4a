"""The profile of a run as tables, and as data of its flame graph."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from straingauge.number_text import count, number, share
from straingauge.report.text import Result

MOST_LINES: Final = 15  # of each state
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "running": ("on a CPU", "sample"),
    "thread": ("threads in snapshots", "stack"),
    "task": ("waiting tasks", "stack"),
}
"""Heading of each state of stacks, and the noun of what is counted."""


def profile(result: Result) -> dict[str, Any] | None:
    """Return the tables of a profile; None if there is none."""
    found = result.get("profile")
    if not found:
        return None
    states = [state for state in STATES if _total(found, state)]
    return {
        "summary": _summary(found),
        "omitted": _omitted(found),
        "states": [
            {
                "name": state,
                "title": STATES[state][0],
                "total": count(_total(found, state), STATES[state][1]),
                "lines": _lines(found, state),
            }
            for state in states
        ],
        "stalls": [
            {
                "at": f"{stall['t_s']:,.1f}",
                "silent": number(stall["silent_ms"]),
                "lines": "\n".join(map(_code, [*stall["lines"], *stall["tasks"]])) or "not visible",
            }
            for stall in found["stalls"]
        ],
        "notes": found["notes"],
    }


def flame_graph(result: Result) -> dict[str, Any] | None:
    """Return the stacks of a profile for the script of the page; None without any.

    Returns:
        ``frames``, each [function, file, line, own]; ``threads``, their names; ``states``, for each
        state its stacks, each [thread, samples, frames...], the outermost frame first.
    """
    found = result.get("profile")
    if not found or not found["stacks"]:
        return None
    processes = {each["pid"]: each["name"] for each in found["processes"]}
    keys = dict.fromkeys((each["process"], each["thread"]) for each in found["stacks"])
    threads = {key: number for number, key in enumerate(keys)}
    states: dict[str, list[list[int]]] = {}
    for each in found["stacks"]:
        thread = threads[each["process"], each["thread"]]
        row = [thread, each["samples"], *each["frames"]]
        states.setdefault(each["state"], []).append(row)
    return {
        "frames": [[f["function"], f["file"], f["line"], f["own"]] for f in found["frames"]],
        "threads": [
            " ".join(filter(None, (processes.get(pid, ""), str(pid), thread)))
            for pid, thread in threads
        ],
        "states": {state: states[state] for state in STATES if state in states},
    }


def _summary(found: Mapping[str, Any]) -> str:
    parts = (
        count(len(found["processes"]), "process", "processes"),
        f"{found['duration_s']:.0f} s at {found['rate_hz']} Hz" if found["rate_hz"] else "",
        count(found["running_samples"], "sample on a CPU", "samples on a CPU"),
        count(found["snapshots"]["count"], "snapshot"),
        f"profiling took {number(found['cost']['cpu_percent'])} % of one core",
    )
    return ", ".join(filter(None, parts))


def _omitted(found: Mapping[str, Any]) -> str:
    """Say how many samples the kept stacks have, if these are not all."""
    kept = sum(each["samples"] for each in found["stacks"] if each["state"] == "running")
    total = found["running_samples"]
    return (
        "" if kept >= total else f"The most frequent stacks: {kept:,} of {count(total, 'sample')}."
    )


def _total(found: Mapping[str, Any], state: str) -> int:
    if state == "running":
        return int(found["running_samples"])
    return sum(each["samples"] for each in found["stacks"] if each["state"] == state)


def _lines(found: Mapping[str, Any], state: str) -> Sequence[Mapping[str, Any]]:
    total = max(1, _total(found, state))
    lines = [each for each in found["lines"] if each["state"] == state][:MOST_LINES]
    return [
        {
            "own": share(each["own_samples"] / total),
            "total": share(each["total_samples"] / total),
            "code": _code(each),
            "thread": each["thread"] or "-",
        }
        for each in lines
    ]


def _code(line: Mapping[str, Any]) -> str:
    return f"{line['file']}:{line['line']} {line['function']}".rstrip()
