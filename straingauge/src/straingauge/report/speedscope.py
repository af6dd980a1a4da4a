"""Profiles in the file format of speedscope, https://www.speedscope.app.

The schema: https://www.speedscope.app/file-format-schema.json
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.report.text import Result

SCHEMA: Final = "https://www.speedscope.app/file-format-schema.json"
_STATES: Final = {
    "running": "on a CPU",
    "thread": "threads in snapshots",
    "task": "waiting tasks in snapshots",
}


def speedscope(results: Sequence[Result]) -> str:
    """Render the profiles of all runs, one for each thread and state.

    Raises:
        UsageError: No run has a profile.
    """
    frames: dict[tuple[str, str, int], int] = {}
    profiles = [each for result in results for each in _profiles(result, frames)]
    if not profiles:
        raise UsageError(
            "none of these results has a profile", hint="repeat the load with --profile"
        )
    document = {
        "$schema": SCHEMA,
        "exporter": "straingauge",
        "name": ", ".join(dict.fromkeys(str(result["name"]) for result in results)),
        "activeProfileIndex": 0,
        "shared": {
            "frames": [
                {"name": name, "file": file, "line": line} if line else {"name": name, "file": file}
                for name, file, line in frames
            ]
        },
        "profiles": profiles,
    }
    return json.dumps(document) + "\n"


def _profiles(result: Result, frames: dict[tuple[str, str, int], int]) -> Iterator[dict[str, Any]]:
    found = result.get("profile")
    if not found:
        return
    numbers = [
        frames.setdefault((each["function"], each["file"], each["line"]), len(frames))
        for each in found["frames"]
    ]
    stacks: dict[tuple[str, int, str], list[Mapping[str, Any]]] = {}
    for stack in found["stacks"]:
        key = stack["state"], stack["process"], stack["thread"]
        stacks.setdefault(key, []).append(stack)
    order = list(_STATES)
    for (state, process, thread), rows in sorted(
        stacks.items(),
        key=lambda item: (order.index(item[0][0]), -sum(each["samples"] for each in item[1])),
    ):
        weights = [each["samples"] for each in rows]
        parts = (result["name"], _STATES[state], f"process {process}", thread)
        yield {
            "type": "sampled",
            "name": ", ".join(filter(None, parts)),
            "unit": "none",
            "startValue": 0,
            "endValue": sum(weights),
            "samples": [[numbers[frame] for frame in each["frames"]] for each in rows],
            "weights": weights,
        }
