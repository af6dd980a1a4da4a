"""What a run on GitHub shows beside its log: the job's summary, and annotations.

Source: "Workflow commands for GitHub Actions" in GitHub's documentation.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from straingauge.report.markdown import markdown
from straingauge.report.text import Result, remarks
from straingauge.result import without_secrets

MOST_OF_A_KIND: Final = 10  # of each, more of one step are not shown
_COMMANDS: Final = {
    "critical": "error",
    "no_data": "error",
    "invalid": "error",
    "warning": "warning",
    "errors": "warning",
}


def write_github(
    results: Sequence[Result], environment: Mapping[str, str] = os.environ
) -> list[str]:
    """Add to the job's summary where there is one.

    Returns:
        The lines by which GitHub marks a run; none where this is no run of GitHub's.
    """
    results = [without_secrets(result) for result in results]
    lines: list[str] = []
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with Path(summary).open("a", encoding="utf-8") as file:
                file.write(markdown(results))
        except OSError as error:
            lines.append(_command("warning", "job summary", f"not written: {error}"))
    if environment.get("GITHUB_ACTIONS") == "true":
        lines += _annotations(results)
    return lines


def _annotations(results: Sequence[Result]) -> Iterator[str]:
    found: dict[str, list[str]] = {"error": [], "warning": []}
    for remark in remarks(results):
        command = _COMMANDS.get(remark.kind)
        if command is not None:
            line = _command(command, f"load test: {remark.tests}", remark.message)
            found[command].append(line)
    for command, lines in found.items():
        yield from lines[: MOST_OF_A_KIND - 1]
        left = lines[MOST_OF_A_KIND - 1 :]
        if len(left) > 1:
            left = [_command(command, "load tests", f"and {len(left)} more, in the result files")]
        yield from left


def _command(command: str, title: str, message: str) -> str:
    """One line, whatever stands in it: what ends a line or a property is escaped."""
    message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace(":", "%3A").replace(",", "%2C")
    return f"::{command} title={title}::{message}"
