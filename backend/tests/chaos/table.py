"""The results of a campaign: rows, the table on the terminal and in the documentation, JSON."""

import os
import platform
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from service import BACKEND
from tests.chaos.campaign import Trial, missed_goals
from tests.chaos.disturbances import ALL, READY_S
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
    return _aligned(TITLES)


def line(result: Mapping[str, Any]) -> str:
    """Return one row for the terminal, with a second line that names missed goals."""
    text = _aligned(_cells(result))
    if result["missed"]:
        text += f"\n  missed: {_missed(result)}"
    return text


def as_markdown(results: Mapping[str, Any]) -> str:
    """Return the table for the documentation."""
    machine = results["machine"]
    lines = [
        f"{results['date']}, commit `{results['commit']}`, {machine['cores']} cores, load average"
        f" {machine['load_before']:.1f} before and {machine['load_after']:.1f} after, niceness"
        f" {machine['nice']}, {results['minutes']:.0f} minutes:",
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


def as_json(rows: Iterable[Mapping[str, Any]], **values: object) -> dict[str, Any]:
    """Return the whole results."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _git("rev-parse", "--short", "HEAD"),
        "python": platform.python_version(),
        "goals": {"ready_s": READY_S},
        **values,
        "disturbances": list(rows),
    }


def machine(load_before: float) -> dict[str, Any]:
    """Describe the machine, and how busy it was before and after."""
    return {
        "cpu": platform.machine(),
        "cores": os.cpu_count(),
        "nice": os.nice(0),
        "system": platform.system(),
        "load_before": round(load_before, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }


def _cells(result: Mapping[str, Any]) -> list[str]:
    times_s = result["ready_s"]
    middle = f"{statistics.median(times_s):.1f}" if times_s else "-"
    longest = "never" if result["not_ready"] else f"{max(times_s):.1f}"
    numbers = (result[name] for name in ("trials", "acknowledged", *CATEGORIES, "refused"))
    return [result["name"], *map(str, numbers), middle, longest]


def _missed(result: Mapping[str, Any]) -> str:
    goals = result["missed"].items()
    return ", ".join(f"{goal} {count} of {result['trials']}" for goal, count in goals)


def _aligned(cells: Sequence[str]) -> str:
    first, *others = zip(cells, WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=BACKEND, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
