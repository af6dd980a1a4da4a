"""Colours and marks of grades and verdicts, the same in every report.

Each stands for one of a few meanings. Pages take a meaning's colour from `style/colours.css`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

RUN_GRADES: Final = (
    *("invalid", "critical", "no_data", "warning", "not_judged", "acceptable", "target"),
)
"""The grades of a run, worst first."""


@dataclass(frozen=True, slots=True)
class Look:
    """The appearance of a grade or verdict.

    Attributes:
        meaning: The CSS class: "good", "warn", "bad", "void", "info" or "plain".
        style: Of the terminal, as Rich names it.
        mark: One character that tells it apart without colour.
        icon: An emoji, for Markdown.
    """

    meaning: str
    style: str
    mark: str
    icon: str


_GOOD: Final = Look("good", "green", "✓", "✅")
_WARN: Final = Look("warn", "yellow", "!", "⚠️")
_BAD: Final = Look("bad", "bold red", "✕", "❌")
_NO_DATA: Final = Look("bad", "bold red", "?", "❌")
_VOID: Final = Look("void", "bold magenta", "⊘", "🚫")
_NOT_JUDGED: Final = Look("info", "cyan", "-", "⚪")
_MISSED: Final = Look("warn", "yellow", "~", "🟡")
_INFO: Final = Look("info", "cyan", "-", "•")
_PLAIN: Final = Look("plain", "dim", "=", "•")

LOOKS: Final[Mapping[str, Look]] = {
    # grades of a run
    "target": _GOOD,
    "acceptable": _MISSED,
    "warning": _WARN,
    "critical": _BAD,
    "no_data": _NO_DATA,
    "invalid": _VOID,
    "not_judged": _NOT_JUDGED,
    # verdicts on a change
    "better": _GOOD,
    "worse": _BAD,
    "same": _PLAIN,
    "inconclusive": _WARN,
    # levels of a capacity search
    "passed": _GOOD,
    "failed": _BAD,
    # results of a check
    "ok": _GOOD,
    "problem": _BAD,
    "skipped": _INFO,
    # severity of what limits a run's validity
    "note": _PLAIN,
}


def look(name: str) -> Look:
    """Look of a grade, a verdict or a check's state; a plain one if the name is unknown."""
    return LOOKS.get(name, _PLAIN)


def words(grade: str) -> str:
    """Name of a run's grade, for readers."""
    return {"target": "target met"}.get(grade, grade.replace("_", " "))
