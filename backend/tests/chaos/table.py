"""The results of the campaign as rows, on the terminal and in the documentation."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from campaigns.trials import Row, Table
from tests.chaos.campaign import Trial, missed_goals
from tests.chaos.disturbances import Disturbance
from tests.chaos.verification import CATEGORIES, summarize

EXAMPLES = 5


def row(disturbance: Disturbance, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the results of the trials of one disturbance."""
    times_s = [round(trial.ready_s, 2) for trial in trials if trial.ready_s is not None]
    missed: dict[str, int] = defaultdict(int)
    for trial in trials:
        for goal in missed_goals(disturbance, trial):
            missed[goal] += 1
    problems = [
        problem
        for trial in trials
        for category in CATEGORIES
        for problem in trial.findings.problems.get(category, ())
    ]
    return {
        "name": disturbance.name,
        "title": disturbance.title,
        "trials": len(trials),
        "acknowledged": sum(trial.acknowledged for trial in trials),
        "unacknowledged": sum(trial.unacknowledged for trial in trials),
        **summarize(trial.findings for trial in trials),
        "refused": sum(trial.refused for trial in trials),
        "unexpected": sum(len(trial.unexpected) for trial in trials),
        "ready_s": times_s,
        "not_ready": len(trials) - len(times_s),
        "jobs_s": [round(trial.jobs_s, 2) for trial in trials],
        "missed": dict(missed),
        "examples": (problems + [text for trial in trials for text in trial.unexpected])[:EXAMPLES],
    }


def _cells(result: Row) -> list[str]:
    times_s = result["ready_s"]
    middle = f"{statistics.median(times_s):.1f}" if times_s else "-"
    longest = "never" if result["not_ready"] else f"{max(times_s):.1f}"
    numbers = (result[name] for name in ("trials", "acknowledged", *CATEGORIES, "refused"))
    return [result["name"], *map(str, numbers), middle, longest]


def _page_cells(result: Row) -> list[str]:
    _, *counts, middle, longest = _cells(result)
    return [*counts, f"{middle} s, {longest} s"]


TABLE = Table(
    "disturbances",
    ("disturbance", "n", "writes", *CATEGORIES, "refused", "ready", "max"),
    (16, 3, 8, 5, 8, 8, 5, 6, 8, 7, 6),
    _cells,
    ("n", "writes", *CATEGORIES, "refused", "ready (median, max)"),
    "rrrrrrrrr",
    _page_cells,
)
