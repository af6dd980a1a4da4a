"""The results of a fuzz campaign, as rows for the terminal and for the documentation."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from campaigns.record import aligned, markdown
from tests.fuzz.inputs import Tally
from tests.fuzz.schema import PHASES, Outcome

WIDTHS = (12, 9, 9, 9, 6, 14, 8)
TITLES = ("requests", "n", "2xx, 3xx", "4xx", "5xx", "undocumented", "others")
GOALS = ("server_errors", "undocumented", "others")
_SHOWN = 2000
_TOKEN = re.compile(r"eyJ[\w.-]+")


def schema_row(role: str, outcome: Outcome) -> dict[str, Any]:
    """Return the results of the requests that schemathesis made as a role."""
    undocumented = sum(title.startswith("Undocumented") for _, title in outcome.failures)
    others = len(outcome.failures) - undocumented
    problems = [
        {"problem": f"{operation}: {title}", "example": _shown(text)}
        for (operation, title), text in outcome.failures.items()
    ]
    phases = {name: outcome.requests[name] for name in PHASES}
    title = f"from the document, as {role}"
    return {
        "name": role,
        "title": title,
        "examples": outcome.requests.total(),
        "phases": phases,
        **_classes(outcome.statuses),
        "undocumented": undocumented,
        "others": others,
        "problems": problems,
    }


def input_row(name: str, title: str, tally: Tally) -> dict[str, Any]:
    """Return the results of one kind of requests of the campaign's own."""
    failed = sum(n for status, n in tally.statuses.items() if status >= 500)
    others = tally.counts.total() - tally.undocumented - failed
    problems = [
        {"problem": f"{tally.counts[problem]} x {problem}", "example": _shown(repr(example))}
        for problem, example in tally.problems.items()
    ]
    return {
        "name": name,
        "title": title,
        "examples": tally.examples,
        **_classes(tally.statuses),
        "undocumented": tally.undocumented,
        "others": others,
        "problems": problems,
    }


def _shown(example: str) -> str:
    """Return the beginning of an example, without the token of its request."""
    return _TOKEN.sub("[token]", example)[:_SHOWN]


def _classes(statuses: Counter[int]) -> dict[str, Any]:
    """Return the number of responses of each class, and by status."""
    classes: Counter[int] = Counter()
    for status, number in statuses.items():
        classes[status // 100] += number
    return {
        "successes": classes[2] + classes[3],
        "refusals": classes[4],
        "server_errors": classes[5],
        "statuses": {str(status): statuses[status] for status in sorted(statuses)},
    }


def as_markdown(results: Mapping[str, Any]) -> str:
    """Return the table for the documentation."""
    rows: Sequence[Mapping[str, Any]] = results["inputs"]
    total = {key: sum(each[key] for each in rows) for key in _NUMBERS}
    shown = [(each["title"], *_cells(each)) for each in rows] + [("**all**", *_cells(total))]
    return markdown(results, (*TITLES[:-1], "other failures"), "lrrrrrr", shown)


_NUMBERS = ("examples", "successes", "refusals", *GOALS)


def _cells(each: Mapping[str, Any]) -> list[str]:
    return [f"{each[key]:,}" for key in _NUMBERS]


def line(each: Mapping[str, Any]) -> str:
    """Return a row for the terminal, followed by the problems."""
    problems = (f"\n  {found['problem']}\n    {found['example']}" for found in each["problems"])
    return aligned([each["name"], *_cells(each)], WIDTHS) + "".join(problems)
