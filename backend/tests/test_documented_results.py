"""Results shown in README and documentation are those of the stored files."""

import json
import re

import pytest
from documents import PAGES, ROOT
from straingauge.capacity import summary

TABLE = re.compile(r"^load test .*\n((?:\w+ .*\n)+)", re.MULTILINE)


JOURNEYS = "the same, by journeys"
"""Name of a Locust user that runs journeys, in the results of the benchmark."""


def test_verdicts_in_the_readme_match_the_summary():
    """The table in the README shows the session in `docs/perf.json`."""
    (table,) = TABLE.findall((ROOT / "README.md").read_text())
    session = json.loads((ROOT / "docs" / "perf.json").read_text())
    lines = [line.split() for line in table.splitlines()]
    for (test_name, grade, requests, rate, errors, *percentiles), test in zip(
        lines, session["tests"], strict=True
    ):
        metrics = test["metrics"]
        assert (test_name, grade) == (test["name"], test["grade"])
        assert int(requests) == metrics["total_requests"]
        assert int(rate) == round(metrics["throughput_rps"])
        assert errors == f"{metrics['error_rate_percent']:.2f}%"
        for shown_ms, name in zip(percentiles, ("p50_ms", "p95_ms", "p99_ms"), strict=True):
            assert float(shown_ms.lstrip("~")) == pytest.approx(metrics[name], rel=0.006)


def test_documented_capacity_matches_the_result():
    """The documentation shows the capacity of TherapyBridge from `docs/capacity.json`."""
    result = json.loads((ROOT / "docs" / "capacity.json").read_text())
    assert f"```\n{summary(result)}```\n" in PAGES["how-to/compare"]


def test_documented_speed_matches_the_benchmark():
    """The request rates of one core in the documentation are the committed results."""
    measured = json.loads((ROOT / "benchmarks" / "results" / "locust.json").read_text())["cases"]
    rates = [
        f"{measured[case]['generators'][JOURNEYS]['median']['rate_rps']:,}"
        for case in ("locust_get", "locust_mix")
    ]
    assert re.findall(r"(\d+,\d+)\s(?:GETs|requests)/s", PAGES["how-to/distributed"]) == rates


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
