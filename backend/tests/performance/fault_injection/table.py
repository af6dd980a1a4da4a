"""Tables of injected faults and their detection, for the terminal and for Markdown files."""

import os
import platform
from collections.abc import Sequence
from datetime import date
from statistics import median

from rich.markup import escape
from tests.performance.fault_injection.trial import Trial

_ROW = "{:22}{:9}{:21}{:26}{:>5}  {}"


def header() -> str:
    """Return the header of the table."""
    return _ROW.format("fault", "detected", "by", "first cause", "s", "message")


def row(trial: Trial) -> str:
    """Return the row of a trial."""
    return escape(
        _ROW.format(
            trial.fault.name,
            _outcome(trial),
            trial.detection.test[:20] if trial.detection else "",
            _cause(trial),
            f"{trial.duration_s:.0f}",
            _message(trial),
        )
    )


def summary(trials: Sequence[Trial]) -> str:
    """Return the totals over all trials."""
    faults = [trial for trial in trials if not trial.fault.is_healthy]
    healthy = [trial for trial in trials if trial.fault.is_healthy]
    with_where = [trial for trial in faults if trial.fault.where]
    where = sum(t.is_where_named for t in with_where)
    false_alarms = sum(trial.detection is not None for trial in healthy)
    return "\n".join(
        [
            f"faults detected     {sum(t.is_correct for t in faults)} of {len(faults)}",
            f"first cause right   {sum(t.is_cause_correct for t in faults)} of {len(faults)}",
            *([f"where named         {where} of {len(with_where)}"] if with_where else []),
            f"false alarms        {false_alarms} of {len(healthy)}",
            f"observer CPU        {_observer_cpu(trials)}",
            f"duration            {sum(t.duration_s for t in trials) / 60:.1f} minutes",
        ]
    )


def _observer_cpu(trials: Sequence[Trial]) -> str:
    cpu = [percent for trial in trials for percent in trial.observer_cpu_percent]
    if not cpu:
        return "not measured"
    return f"{median(cpu):.1f} % of a core (median of {len(cpu)} load tests, max. {max(cpu):.1f})"


def as_markdown(trials: Sequence[Trial], command: str) -> str:
    """Return the table, the totals and the diagnosis of each fault as a Markdown page."""
    cores = os.cpu_count()
    rows = [
        f"| `{t.fault.name}` | {t.fault.description} | {_outcome(t)} "
        f"| {t.detection.test if t.detection else ''} "
        f"| {_cause(t)} | {_confidence(t)} | {_where(t)} | {t.duration_s:.0f} | {_message(t)} |"
        for t in trials
    ]
    return "\n".join(
        [
            "# Fault injection",
            "",
            f"`{command}`, {date.today().isoformat()}, {cores} cores, {platform.machine()}",  # noqa: DTZ011
            "",
            "| fault | description | detected | by | first cause | confidence | where | s |"
            " message |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "```",
            summary(trials),
            "```",
            "",
            "## Diagnosis of each fault",
            "",
            *(text for trial in trials for text in _diagnosis(trial)),
        ]
    )


def _diagnosis(trial: Trial) -> list[str]:
    """Return the first cause with its evidence and advice, as lines of Markdown."""
    if trial.fault.is_healthy or not trial.diagnosis:
        return []
    cause = trial.diagnosis[0]
    return [
        f"### `{trial.fault.name}`: {trial.fault.description}",
        "",
        f"**{cause['title']}** ({_cause(trial)}, confidence {cause['confidence']:.2f})",
        "",
        *(f"- {place}" for place in trial.where),
        *(f"- {sentence}" for sentence in cause["evidence"]),
        "",
        "To do:",
        "",
        *(f"- {sentence}" for sentence in cause["advice"]),
        "",
    ]


def _outcome(trial: Trial) -> str:
    if trial.failure:
        return "failed"
    if trial.fault.is_healthy and trial.is_correct:
        return "no alarm"
    if trial.detection is not None:
        return trial.detection.grade
    return "invalid" if trial.invalid else "MISSED"


def _cause(trial: Trial) -> str:
    if trial.cause is None:
        return "-"
    is_expected = trial.is_cause_correct or trial.fault.is_healthy
    return trial.cause if is_expected else f"{trial.cause} (wrong)"


def _confidence(trial: Trial) -> str:
    return f"{trial.diagnosis[0]['confidence']:.2f}" if trial.diagnosis else "-"


def _where(trial: Trial) -> str:
    """Return the places that the first cause names; marked if they are not the expected one."""
    places = ", ".join(trial.where).replace("|", "/") or "-"
    is_expected = trial.is_where_named or not trial.fault.where
    return places if is_expected else f"{places} (wrong)"


def _message(trial: Trial) -> str:
    if trial.failure:
        message = trial.failure
    elif trial.detection:
        message = trial.detection.message
    else:
        message = ", ".join(" ".join(reason) for reason in trial.invalid)
    message = " ".join(message.replace("|", "/").split())
    return ("(second attempt) " if trial.repeated else "") + message[:110]
