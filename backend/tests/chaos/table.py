"""The results of the campaign as rows, on the terminal and in the documentation."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from campaigns.record import aligned, caption
from tests.chaos.campaign import Trial, missed_goals
from tests.chaos.disturbances import ALL
from tests.chaos.verification import CATEGORIES, summarize

EXAMPLES = 5
TITLES = ("disturbance", "n", "writes", *CATEGORIES, "refused", "ready", "max")
WIDTHS = (16, 3, 8, 5, 8, 8, 5, 6, 8, 7, 6)


def row(name: str, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the results of the trials of one disturbance."""
    disturbance = ALL[name]
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
        "name": name,
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


def header() -> str:
    """Return the titles of the columns on the terminal."""
    return aligned(TITLES, WIDTHS)


def line(result: Mapping[str, Any]) -> str:
    """Return one row for the terminal, with a second line that names missed goals."""
    text = aligned(_cells(result), WIDTHS)
    if result["missed"]:
        text += f"\n  missed: {_missed(result)}"
    return text


def as_markdown(results: dict[str, Any]) -> str:
    """Return the table for the documentation."""
    lines = [
        caption(results),
        "",
        "| disturbance | n | writes | lost | doubled | altered | jobs | files | refused"
        " | ready (median, max) | goals missed |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for result in results["disturbances"]:
        name, *counts, middle, longest = _cells(result)
        title = f"{result['title']} (`{name}`)"
        ready = f"{middle} s, {longest} s"
        lines.append(f"| {' | '.join([title, *counts, ready])} | {_missed(result) or 'none'} |")
    return "\n".join(lines)


def _cells(result: Mapping[str, Any]) -> list[str]:
    times_s = result["ready_s"]
    middle = f"{statistics.median(times_s):.1f}" if times_s else "-"
    longest = "never" if result["not_ready"] else f"{max(times_s):.1f}"
    numbers = (result[name] for name in ("trials", "acknowledged", *CATEGORIES, "refused"))
    return [result["name"], *map(str, numbers), middle, longest]


def _missed(result: Mapping[str, Any]) -> str:
    goals = result["missed"].items()
    return ", ".join(f"{goal} {count} of {result['trials']}" for goal, count in goals)
