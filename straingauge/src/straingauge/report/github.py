"""Results in a GitHub Actions run: the job's summary and annotations.

Source: "Workflow commands for GitHub Actions" in GitHub's documentation.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from straingauge.git import repository_path
from straingauge.number_text import share
from straingauge.redaction import without_secrets
from straingauge.report.locations import code_of
from straingauge.report.markdown import markdown
from straingauge.report.text import EVIDENCE, Result, remarks, shown_causes

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
    lines = append_summary(markdown(results), environment)
    if environment.get("GITHUB_ACTIONS") == "true":
        lines += _annotations(results)
    return lines


def append_summary(text: str, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Append Markdown to the job's summary, if there is one.

    Returns:
        A warning to print if it cannot be written; usually none.
    """
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return []
    try:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        return [_command("warning", "job summary", f"not written: {error}")]
    return []


def _annotations(results: Sequence[Result]) -> Iterator[str]:
    found: dict[str, list[str]] = {"error": [], "warning": [*_in_code(results)]}
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


def _in_code(results: Sequence[Result]) -> Iterator[str]:
    """Annotate the most important line of code of each cause that is shown."""
    for cause in shown_causes(results):
        for location in code_of(cause)[:1]:
            place = {"file": repository_path(location["file"]), "line": str(location["line"])}
            function = location.get("function")
            message = f"{cause['title']} ({share(cause['confidence'])} sure"
            message += f", in {function})" if function else ")"
            title = f"load test: {', '.join(cause['tests'])}"
            sentences = f"{message}: {'; '.join(cause['evidence'][:EVIDENCE])}"
            yield _command("warning", title, sentences, **place)


def _command(command: str, title: str, message: str, **properties: str) -> str:
    """A workflow command on one line, with line ends and separators escaped."""
    shown = {**properties, "title": title}
    named = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in shown.items())
    return f"::{command} {named}::{_escaped(message)}"


def _escaped(text: str, separators: str = "") -> str:
    return "".join(f"%{ord(each):02X}" if each in f"%\r\n{separators}" else each for each in text)
