"""The results of the campaign as rows, on the terminal and in the documentation."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from campaigns.instrument.disturbances import Disturbance
from campaigns.instrument.judgement import SAYS_LOSS, Trial, missed_goals, reasons
from campaigns.trials import Row, Table

EXAMPLES: Final = 3


def row(disturbance: Disturbance, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the results of the trials of one disturbance."""
    missed = Counter(goal for each in trials for goal in missed_goals(each, disturbance.expected))
    said = Counter(
        reason["reason"]
        for trial in trials
        for result in trial.results
        for reason in reasons(result)
        if reason["reason"] in SAYS_LOSS
    )
    ended_s = [round(each.ended_s, 2) for each in trials if each.ended_s is not None]
    return {
        "name": disturbance.name,
        "title": disturbance.title,
        "trials": len(trials),
        "answered": sum(each.answered for each in trials),
        "counted": sum(each.counted for each in trials),
        "said_lost": sum(each.estimated for each in trials),
        "readable": sum(bool(each.results) and not each.unreadable for each in trials),
        "orphans": sum(len(each.orphans) for each in trials),
        "said": dict(said),
        "ended_s": ended_s,
        "hung": len(trials) - len(ended_s),
        "missed": dict(missed),
        "examples": [
            text
            for trial in trials
            if missed_goals(trial, disturbance.expected)
            for text in _problems(trial)
        ][:EXAMPLES],
    }


def _problems(trial: Trial) -> list[str]:
    said = [reason["message"] for result in trial.results for reason in reasons(result)]
    found = [trial.problem, *trial.unreadable, *trial.orphans, " / ".join(said)]
    return [text for text in found if text] or [trial.output[-500:]]


def _cells(result: Row) -> list[str]:
    longest = "hung" if result["hung"] else f"{max(result['ended_s']):.1f}"
    numbers = (result[name] for name in ("trials", "answered", "counted", "said_lost"))
    readable = f"{result['readable']}/{result['trials']}"
    return [result["name"], *map(str, numbers), readable, str(result["orphans"]), longest]


def _page_cells(result: Row) -> list[str]:
    _, *counts, longest = _cells(result)
    said = ", ".join(f"`{reason}`" for reason in sorted(result["said"])) or "-"
    return [*counts, f"{longest} s", said]


TABLE: Final = Table(
    "disturbances",
    ("disturbance", "n", "answered", "counted", "said lost", "readable", "orphans", "max s"),
    (24, 3, 10, 9, 10, 9, 8, 7),
    _cells,
    ("n", "answered", "counted", "said lost", "readable", "orphans", "ended", "reasons"),
    "rrrrrrrl",
    _page_cells,
)
