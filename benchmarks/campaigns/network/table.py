"""The results of the campaign: rows, the table on the terminal and in the documentation."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from campaigns.network.faults import Fault
from campaigns.network.goals import is_judged, missed_goals
from campaigns.network.trial import Load
from campaigns.record import aligned, caption

TITLES = ("fault", "n", "requests", "errors", "p50 ms", "max ms", "first cause", "judged")
WIDTHS = (18, 3, 9, 7, 8, 8, 20, 7)


def row(fault: Fault, loads: Sequence[Load]) -> dict[str, Any]:
    """Return the results of the trials of one fault."""
    whole = [load for load in loads if load.result]
    kinds: Counter[str] = Counter()
    for load in whole:
        kinds.update(load.result["errors"]["kinds"])
    latencies = [load.result["metrics"]["latency_ms"] for load in whole]
    critical = [load for load in whole if load.exit_code == 1 and load.result["diagnosis"]]
    causes = Counter(load.result["diagnosis"][0]["cause"] for load in critical)
    return {
        "name": fault.name,
        "title": fault.title,
        "trials": len(loads),
        "requests": sum(load.result["metrics"]["total_requests"] for load in whole),
        "kinds": dict(kinds),
        "p50_ms": round(
            statistics.median(each["p50"] or 0.0 for each in latencies or [{"p50": 0}]), 1
        ),
        "max_ms": round(max((each["max"] or 0.0 for each in latencies), default=0.0)),
        "causes": dict(causes),
        "judged": sum(is_judged(load) for load in whole),
        "exit_codes": [load.exit_code for load in loads],
        "missed": dict(Counter(goal for load in loads for goal in missed_goals(fault, load))),
    }


def header() -> str:
    """Return the titles of the columns on the terminal."""
    return aligned(TITLES, WIDTHS)


def line(result: Mapping[str, Any]) -> str:
    """Return one row for the terminal, with a second line that names missed goals."""
    text = aligned(_cells(result), WIDTHS)
    return f"{text}\n  missed: {_missed(result)}" if result["missed"] else text


def as_markdown(results: Mapping[str, Any]) -> str:
    """Return the table for the documentation."""
    lines = [
        caption(dict(results)),
        "",
        "| fault | n | requests | errors | p50, max | first cause | judged | goals missed |",
        "|---|--:|--:|---|--:|---|--:|---|",
    ]
    for result in results["faults"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in result["kinds"].items()) or "none"
        cells = [
            f"{result['title']} (`{result['name']}`)",
            str(result["trials"]),
            str(result["requests"]),
            kinds,
            f"{result['p50_ms']} ms, {result['max_ms']} ms",
            ", ".join(f"`{cause}`" for cause in result["causes"]) or "-",
            str(result["judged"]),
            _missed(result) or "none",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(result: Mapping[str, Any]) -> list[str]:
    return [
        result["name"],
        str(result["trials"]),
        str(result["requests"]),
        str(sum(result["kinds"].values())),
        str(result["p50_ms"]),
        str(result["max_ms"]),
        ",".join(result["causes"]) or "-",
        str(result["judged"]),
    ]


def _missed(result: Mapping[str, Any]) -> str:
    goals = result["missed"].items()
    return ", ".join(f"{goal} {count} of {result['trials']}" for goal, count in goals)
