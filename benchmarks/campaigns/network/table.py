"""The results of the campaign: rows, the table on the terminal and in the documentation."""

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from campaigns.network.faults import Fault
from campaigns.network.goals import is_judged, missed_goals
from campaigns.network.trial import Load
from campaigns.trials import Row, Table


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


def _cells(result: Row) -> list[str]:
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


def _page_cells(result: Row) -> list[str]:
    kinds = ", ".join(f"{count} {kind}" for kind, count in result["kinds"].items()) or "none"
    return [
        str(result["trials"]),
        str(result["requests"]),
        kinds,
        f"{result['p50_ms']} ms, {result['max_ms']} ms",
        ", ".join(f"`{cause}`" for cause in result["causes"]) or "-",
        str(result["judged"]),
    ]


TABLE = Table(
    "faults",
    ("fault", "n", "requests", "errors", "p50 ms", "max ms", "first cause", "judged"),
    (18, 3, 9, 7, 8, 8, 20, 7),
    _cells,
    ("n", "requests", "errors", "p50, max", "first cause", "judged"),
    "rrlrlr",
    _page_cells,
)
