"""An explanation of results in plain text, for a log or an assistant."""

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, Final

from straingauge.diagnosis import first_failure
from straingauge.number_text import share
from straingauge.report.locations import shown_places
from straingauge.report.text import (
    FAILING_GRADES,
    UNEXPLAINED,
    Result,
    advice,
    decided_by,
    first_sentence,
    grade,
    invalid_reason,
    shown_causes,
    summary_line,
)

WIDTH: Final = 80
_LABEL: Final = 9
_UNIT: Final = re.compile(r"(?<=\d) (?=(?:ms|s|kB|MB|GB|%)\b)")
_JOINT: Final = "\N{NO-BREAK SPACE}"  # at which `wrap` does not end a line


def explanation(results: Sequence[Result]) -> str:
    """Explain the verdicts of results: what failed, why, where, and how to fix it.

    Args:
        results: Those of one run or of one session.

    Returns:
        Lines of at most 80 columns without colours, each part with a label; words that are longer
        than a line, such as paths, are not broken, so that they can be copied.
    """
    lines = (
        line
        for label, text in _parts(results)
        for line in (_wrapped(label, text) if label else [""])
    )
    return "\n".join(lines) + "\n"


def _parts(results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """Yield labels with their texts; an empty label is an empty line."""
    for result in results:
        yield from _verdict(result)
    first = first_failure(results)
    if first is not None:
        yield "", ""
        yield "First", first_sentence(first)
    causes = shown_causes(results)
    for cause in causes:
        yield "", ""
        yield from _cause(cause)
    if not causes:
        yield "", ""
        yield "Cause", _no_cause({grade(result) for result in results})


def _no_cause(grades: set[str]) -> str:
    """Say what it means that no cause is shown."""
    if not grades.isdisjoint(FAILING_GRADES):
        return UNEXPLAINED
    if "invalid" in grades:
        return "none is named, because an invalid run proves nothing"
    if "acceptable" in grades:
        return "none is likely; a target was missed, but nothing failed"
    return "none is likely, and nothing failed"


def _verdict(result: Result) -> Iterator[tuple[str, str]]:
    earned = grade(result)
    yield "Verdict", f"{earned.replace('_', ' ')} ({result['name']}, {result['started_at']})"
    yield "Load", summary_line(result).removeprefix(f"{result['name']}: ")
    if earned == "invalid":
        yield "Invalid", invalid_reason(result).removeprefix("INVALID: ")
        if fix := advice(result):
            yield "Fix", fix
    elif earned in FAILING_GRADES:
        yield "Failed", decided_by(result)
    elif why := decided_by(result):
        yield "Because", why


def _cause(cause: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Cause", cause["title"]
    yield "Sure", f"{share(cause['confidence'])}, in {', '.join(cause['tests'])}"
    for each in cause["evidence"]:
        yield "Evidence", each
    for each in shown_places(cause):
        if each["text"]:
            yield "Where", each["text"]
        if each["index"]:
            yield "Index", each["index"]
    for each in cause["advice"]:
        yield "Fix", each


def _wrapped(label: str, text: str) -> list[str]:
    """Return the lines of a text with its label; control characters become question marks."""
    shown = "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))
    lines = wrap(
        f"{label + ':':<{_LABEL}} {_UNIT.sub(_JOINT, shown)}",
        WIDTH,
        subsequent_indent=" " * (_LABEL + 1),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_JOINT, " ") for line in lines]
