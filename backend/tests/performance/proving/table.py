"""The table of what was planted and what was found, for terminal and file."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from statistics import median

from rich.markup import escape
from tests.performance.proving.trial import Trial

_ROW = "{:22}{:9}{:21}{:26}{:>5}  {}"


def headline() -> str:
    """The names of the columns."""
    return _ROW.format("planted", "found", "by", "cause named first", "s", "what was said")


def line(trial: Trial) -> str:
    """One row."""
    return escape(
        _ROW.format(
            trial.plant.name,
            _outcome(trial),
            trial.found.test[:20] if trial.found else "",
            _cause(trial),
            f"{trial.took_s:.0f}",
            _said(trial),
        )
    )


def score(trials: Sequence[Trial]) -> str:
    """What it comes to."""
    faults = [trial for trial in trials if not trial.plant.is_healthy]
    healthy = [trial for trial in trials if trial.plant.is_healthy]
    return "\n".join(
        [
            f"faults found        {sum(t.right for t in faults)} of {len(faults)}",
            f"cause named first   {sum(t.named for t in faults)} of {len(faults)}",
            f"false alarms        {sum(t.found is not None for t in healthy)} of {len(healthy)}",
            f"watching cost       {_observer(trials)}",
            f"took                {sum(t.took_s for t in trials) / 60:.1f} minutes",
        ]
    )


def _observer(trials: Sequence[Trial]) -> str:
    cost = [percent for trial in trials for percent in trial.observer_cpu_percent]
    if not cost:
        return "was not measured"
    return (
        f"{median(cost):.1f} % of a core (median of {len(cost)} load tests; most {max(cost):.1f})"
    )


def as_markdown(trials: Sequence[Trial], command: str) -> str:
    """The whole as a page."""
    cores = os.cpu_count()
    rows = [
        f"| `{t.plant.name}` | {t.plant.what} | {_outcome(t)} | {t.found.test if t.found else ''} "
        f"| {_cause(t)} | {t.took_s:.0f} | {_said(t)} |"
        for t in trials
    ]
    return "\n".join(
        [
            "# The proving ground",
            "",
            f"`{command}`, {date.today().isoformat()}, {cores} cores, {platform.machine()}",  # noqa: DTZ011
            "",
            "| planted | what | found | by | cause named first | s | what was said |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
            "```",
            score(trials),
            "```",
            "",
            "## What was said of each fault",
            "",
            *(text for trial in trials for text in _diagnosis(trial)),
        ]
    )


def _diagnosis(trial: Trial) -> list[str]:
    """The cause that was named first: with its evidence, and what to do about it."""
    if trial.plant.is_healthy or not trial.diagnosis:
        return []
    first = trial.diagnosis[0]
    return [
        f"### `{trial.plant.name}`: {trial.plant.what}",
        "",
        f"**{first['title']}** ({_cause(trial)}, confidence {first['confidence']:.2f})",
        "",
        *(f"- {sentence}" for sentence in first["evidence"]),
        "",
        "To do:",
        "",
        *(f"- {sentence}" for sentence in first["advice"]),
        "",
    ]


def _outcome(trial: Trial) -> str:
    if trial.plant.is_healthy and trial.right:
        return "silent"
    if trial.found is not None:
        return trial.found.grade
    return "invalid" if trial.invalid else "MISSED"


def _cause(trial: Trial) -> str:
    if trial.cause is None:
        return "-"
    return trial.cause if trial.named or trial.plant.is_healthy else f"{trial.cause} (wrong)"


def _said(trial: Trial) -> str:
    said = trial.found.message if trial.found else ", ".join(" ".join(i) for i in trial.invalid)
    said = " ".join(said.replace("|", "/").split())
    return ("(second attempt) " if trial.repeated else "") + said[:110]
