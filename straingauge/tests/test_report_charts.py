"""The charts' data, against what was recorded."""

from typing import Any

import numpy as np
import pytest
from sample_results import EACH_SECOND, ENDPOINTS, SECONDS, TROUBLE_S, reported
from straingauge.recording import Recorder
from straingauge.report.charts import WHOLE, charts
from straingauge.report.charts.latency import STEPS
from straingauge.result.assembly.histograms import (
    MAX_INTERVALS,
    MAX_OF_ENDPOINTS,
    MIN_PER_ENDPOINT,
    intervals,
    max_intervals,
)

MS = 1_000_000


@pytest.fixture(scope="module")
def trouble() -> dict[str, Any]:
    """A run with four bad seconds."""
    return reported(trouble=True)


def chart(result: dict[str, Any], name: str, endpoint: str = WHOLE) -> dict[str, Any]:
    """One of its charts."""
    drawn = charts(result)
    every = [*drawn["endpoints"][endpoint], *drawn["resources"]]
    return next(each for each in every if each["id"] == name)


def lines(of: dict[str, Any]) -> dict[str, list[float]]:
    """Its series by name."""
    return {each["name"]: each["y"] for each in of["series"]}


@pytest.mark.parametrize(("endpoint", "count"), [(WHOLE, 2), (ENDPOINTS[0], 1)])
def test_rate_and_errors_are_those_of_each_second(
    trouble: dict[str, Any], endpoint: str, count: int
):
    """Each second shows what was sent in it and what became of that, for all and for each."""
    rate = lines(chart(trouble, "rate", endpoint))
    failed = [count * EACH_SECOND / 5 if t_s in TROUBLE_S else 0 for t_s in range(SECONDS)]
    assert rate["errors"][:-1] == failed[:-1]
    sent = np.add(rate["succeeded"], rate["errors"])
    assert sent[:-1] == pytest.approx(count * EACH_SECOND)
    shares = lines(chart(trouble, "errors", endpoint))["failed"]
    assert shares == [20 if t_s in TROUBLE_S else 0 for t_s in range(SECONDS)]


def test_wide_intervals_and_a_short_last_one_are_rates_too():
    """Requests of a slot of 4 s count per second; in the last slot, by the time to the end."""
    result = reported()
    counts = {"requests": 40, "errors": 4, "rate_limited": 8, "longest_ms": None, "parts_ms": {}}
    result["intervals"] = [
        {"start_s": start, "duration_s": 4, "histogram_ns": None, **counts} for start in (0, 4)
    ]
    result["metrics"]["duration_s"] = 6.0
    rate = lines(chart(result, "rate"))
    assert rate == {"succeeded": [7, 14], "errors": [1, 2], "rate limited": [2, 4]}
    assert chart(result, "rate")["half"] == [2, 1]


def test_percentiles_over_time_are_those_of_each_second(trouble: dict[str, Any]):
    """Each second's percentiles are within the 6.4 % of its histogram, its longest is exact."""
    found = lines(chart(trouble, "latency"))
    for t_s in range(SECONDS):
        slower = 40 if t_s in TROUBLE_S else 1
        assert found["p50"][t_s] == pytest.approx(14 * slower, rel=0.064)
        assert found["p95"][t_s] == pytest.approx(23 * slower, rel=0.064)
        assert found["longest"][t_s] == 24 * slower
    limits = [(each["grade"], each["y"]) for each in chart(trouble, "latency")["limits"]]
    assert limits == [("warning", 50), ("critical", 400)]


def test_heatmap_holds_every_request(trouble: dict[str, Any]):
    """No response is missing in the heatmap, and each is in the bucket its time is in."""
    for start, length, cells in chart(trouble, "heat")["slots"]:
        assert length == 1 or start == SECONDS - 1
        counts = dict(zip(cells[0::2], cells[1::2], strict=True))
        assert sum(counts.values()) == 2 * EACH_SECOND
        slower = 40 if start in TROUBLE_S else 1
        edges = [2.0 ** (b >> 3) * (1 + (b & 7) / 8) / MS for b in (min(counts), max(counts) + 1)]
        assert edges[0] <= 5 * slower <= 24 * slower <= edges[1]


def test_percentile_curve_is_the_distribution():
    """The curve has each percentile's time within 0.5 %, and ends with the longest."""
    curve = chart(reported(), "curve")
    response = lines(curve)["response time"]
    for step, share in ((0, 0.0), (STEPS, 0.5), (2 * STEPS, 0.75), (4 * STEPS, 0.9375)):
        rank = max(1, int(np.ceil(share * EACH_SECOND)))
        assert response[step] == pytest.approx(4 + rank, rel=0.005)
    assert response[-1] == pytest.approx(24, rel=0.005)
    assert lines(curve)["service time"][-1] == pytest.approx(23, rel=0.005)
    assert {each["name"]: each["y"] for each in curve["marks"]} == {"p95 warning": 50}


def test_parts_are_shown_for_each_response(trouble: dict[str, Any]):
    """Server-Timing's parts stand in milliseconds of each response, by second."""
    parts = lines(chart(trouble, "parts", ENDPOINTS[1]))
    assert [*parts] == ["app", "db", "unattributed"]
    assert parts["app"][0] == 1
    assert parts["db"][0] == pytest.approx(14.5 / 2, rel=0.001)
    assert parts["unattributed"][0] == pytest.approx(14.5 / 2 - 1, rel=0.001)


def test_insides_show_what_was_seen_and_say_what_was_not(trouble: dict[str, Any]):
    """Observed values are drawn, idle ones are named, and missing ones have a reason."""
    assert max(lines(chart(trouble, "pool"))["waiting"]) == 9
    assert lines(chart(trouble, "cpu"))["service"] == [20] * (2 * SECONDS)
    assert chart(trouble, "jobs")["placeholder"].startswith("not measured")
    steady = reported()
    steady["resources"]["samples"] = [
        {"t_s": each["t_s"], "jobs_waiting": 0} for each in steady["resources"]["samples"]
    ]
    assert chart(steady, "jobs")["placeholder"] == "always 0: waiting"
    assert chart(steady, "memory")["placeholder"].startswith("not measured")


def test_looks_close_together_make_no_peak():
    """A tick of CPU time between two looks in a row is not shown as a core in use."""
    result = reported()
    samples = result["resources"]["samples"]
    last = samples[-1]
    samples.append({**last, "t_s": last["t_s"] + 0.01, "cpu_s": last["cpu_s"] + 0.01})
    assert max(lines(chart(result, "cpu"))["service"]) == 20


@pytest.mark.parametrize("endpoints", [1, 3, 12, 200])
def test_intervals_are_few_however_long_the_run(endpoints: int):
    """A result keeps a bounded number of intervals, and they miss no request."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    for n in range(10_000):
        sink.add(n * 1000 * MS, n * 1000 * MS, n * 1000 * MS + 1, n * 1000 * MS + MS, 200, None)
    most = max_intervals(endpoints)
    assert MIN_PER_ENDPOINT <= most <= MAX_INTERVALS
    assert most * endpoints <= max(MAX_OF_ENDPOINTS, MIN_PER_ENDPOINT * endpoints)
    rows = intervals(recorder.snapshot().total("main"), most)
    assert most / 2 <= len(rows) <= most
    assert sum(row["requests"] for row in rows) == 10_000
