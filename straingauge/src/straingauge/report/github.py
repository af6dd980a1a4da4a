"""Results in a GitHub Actions run: the job's summary and annotations.

Source: "Workflow commands for GitHub Actions" in GitHub's documentation.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from straingauge.redaction import without_secrets
from straingauge.report.markdown import markdown
from straingauge.report.text import Result, remarks

MOST_OF_A_KIND: Final = 10  # annotations of one kind that GitHub shows for a step
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
    """Add the results to the job's summary, if there is one.

    Returns:
        Annotations, as lines to print; empty outside of GitHub Actions.
    """
    results = [without_secrets(result) for result in results]
    lines: list[str] = []
    try:
        append_summary(markdown(results), environment)
    except OSError as error:
        lines.append(_command("warning", "job summary", f"not written: {error}"))
    if environment.get("GITHUB_ACTIONS") == "true":
        lines += _annotations(results)
    return lines


def append_summary(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append Markdown to the job's summary, if there is one.

    Raises:
        OSError: It is not writable.
    """
    if summary := environment.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)


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
    """A workflow command on one line, with line ends and separators escaped."""
    message = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    title = title.replace(":", "%3A").replace(",", "%2C")
    return f"::{command} title={title}::{message}"
