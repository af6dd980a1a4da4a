"""Results shown in README and documentation are those of the stored files."""

import json
import re
from typing import Any

from documents import PAGES, ROOT
from straingauge.capacity import summary
from straingauge.report import verdict_table
from straingauge.statistics import samples_needed

TABLE = re.compile(r"^load test .*\n(?:\w+ .*\n)+", re.MULTILINE)
TERMINAL = {"width": 80, "colour": False}


def test_verdicts_in_the_readme_match_the_summary():
    """The table in the README is that of the session in `docs/perf.json`, as it is shown today."""
    session = json.loads((ROOT / "docs" / "perf.json").read_text())
    shown = verdict_table([(_result(test), None) for test in session["tests"]], **TERMINAL)
    (table,) = TABLE.findall((ROOT / "README.md").read_text())
    assert table == shown[: len(table)]


def _result(test: dict[str, Any]) -> dict[str, Any]:
    """Return what the table shows of a test in the summary of a session."""
    metrics, intervals = test["metrics"], {}
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        is_rough = metrics["total_requests"] < samples_needed(share)
        intervals[name] = {"low": None if is_rough else metrics[f"{name}_ms"]}
    latency = {name: metrics[f"{name}_ms"] for name in intervals}
    return {
        "name": test["name"],
        "verdict": {"grade": test["grade"], "findings": []},
        "metrics": {**metrics, "latency_ms": {**latency, "confidence_intervals": intervals}},
        "endpoints": {},
        "validity": {"reasons": []},
    }


def test_documented_capacity_matches_the_result():
    """The documentation shows the capacity of TherapyBridge from `docs/capacity.json`."""
    result = json.loads((ROOT / "docs" / "capacity.json").read_text())
    assert f"```\n{summary(result)}```\n" in PAGES["how-to/compare"]


def test_documented_accuracy_of_ab_matches_the_benchmark():
    """The accuracy of A/B comparisons in the documentation is that of the committed results."""
    runs = json.loads((ROOT / "benchmarks" / "results" / "ab_small.json").read_text())
    equal, slowed = ([run for run in runs if run["slowed"] == kind] for kind in (False, True))
    alarms = sum(bool(run["worse"]) for run in equal)
    detected = sum(any(name.startswith("GET /list ") for name in run["worse"]) for run in slowed)
    longest_s = max(run["took_s"] for run in runs)
    shown = " ".join(PAGES["how-to/compare"].split())
    assert f"{alarms} of {len(equal)} equal builds were called worse" in shown
    assert f"{detected} of {len(slowed)} were found" in shown
    assert f"in {longest_s:.0f} s at most" in shown
