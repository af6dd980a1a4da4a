"""The data of the charts, compared with the recorded requests."""

from typing import Any

import numpy as np
import pytest
from sample_results import EACH_SECOND, ENDPOINTS, SECONDS, TROUBLE_S, sample_result
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
    """Return a run with four bad seconds."""
    return sample_result(trouble=True)


def chart(result: dict[str, Any], name: str, endpoint: str = WHOLE) -> dict[str, Any]:
    """Return one chart of a result."""
    drawn = charts(result)
    every = [*drawn["endpoints"][endpoint], *drawn["resources"]]
    return next(each for each in every if each["id"] == name)


def lines(of: dict[str, Any]) -> dict[str, list[float]]:
    """Return the series of a chart by name."""
    return {each["name"]: each["y"] for each in of["series"]}


@pytest.mark.parametrize(("endpoint", "count"), [(WHOLE, 2), (ENDPOINTS[0], 1)])
def test_rate_and_errors_per_second(trouble: dict[str, Any], endpoint: str, count: int):
    """Each second shows its requests and their outcomes, in total and per endpoint."""
    rate = lines(chart(trouble, "rate", endpoint))
    failed = [count * EACH_SECOND / 5 if t_s in TROUBLE_S else 0 for t_s in range(SECONDS)]
    assert rate["errors"][:-1] == failed[:-1]
    sent = np.add(rate["succeeded"], rate["errors"])
    assert sent[:-1] == pytest.approx(count * EACH_SECOND)
    shares = lines(chart(trouble, "errors", endpoint))["timeout"]
    assert shares == [20 if t_s in TROUBLE_S else 0 for t_s in range(SECONDS)]


def test_rates_of_wide_and_short_intervals():
    """Requests of a 4 s interval count per second; those of the last one, by its actual length."""
    result = sample_result()
    counts = {"requests": 40, "errors": 4, "rate_limited": 8, "longest_ms": None, "parts_ms": {}}
    result["intervals"] = [
        {"start_s": start, "duration_s": 4, "histogram_ns": None, **counts} for start in (0, 4)
    ]
    result["metrics"]["duration_s"] = 6.0
    rate = lines(chart(result, "rate"))
    assert rate == {"succeeded": [7, 14], "errors": [1, 2], "rate limited": [2, 4]}
    assert chart(result, "rate")["half"] == [2, 1]


def test_load_that_begins_late_has_no_peak_at_its_end():
    """The duration counts from the first request, which may be later than the start of the run."""
    result = sample_result()
    for row in result["intervals"]:
        row["start_s"] += 5
    rate = lines(chart(result, "rate"))["succeeded"]
    assert rate == pytest.approx([2 * EACH_SECOND] * SECONDS, rel=0.1)


def test_second_without_requests_is_a_gap():
    """A second without requests shows 0 requests and breaks the lines of the response time."""
    result = sample_result()
    del result["intervals"][5]
    assert lines(chart(result, "rate"))["succeeded"][4:7] == [2 * EACH_SECOND, 0, 2 * EACH_SECOND]
    assert lines(chart(result, "latency"))["p95"][5] is None


def test_percentiles_per_second(trouble: dict[str, Any]):
    """Percentiles are within 6.4 %, the precision of interval histograms; the maximum is exact."""
    found = lines(chart(trouble, "latency"))
    for t_s in range(SECONDS):
        slower = 40 if t_s in TROUBLE_S else 1
        assert found["p50"][t_s] == pytest.approx(14 * slower, rel=0.064)
        assert found["p95"][t_s] == pytest.approx(23 * slower, rel=0.064)
        assert found["longest"][t_s] == 24 * slower
    limits = [(each["grade"], each["y"]) for each in chart(trouble, "latency")["limits"]]
    assert limits == [("warning", 50), ("critical", 400)]


def test_the_heatmap_has_every_response(trouble: dict[str, Any]):
    """No response is missing, and each is in the bucket of its response time."""
    for start, length, cells in chart(trouble, "heat")["slots"]:
        assert length == 1 or start == SECONDS - 1
        counts = dict(zip(cells[0::2], cells[1::2], strict=True))
        assert sum(counts.values()) == 2 * EACH_SECOND
        slower = 40 if start in TROUBLE_S else 1
        edges = [2.0 ** (b >> 3) * (1 + (b & 7) / 8) / MS for b in (min(counts), max(counts) + 1)]
        assert edges[0] <= 5 * slower <= 24 * slower <= edges[1]


def test_the_percentile_curve_matches_the_distribution():
    """The curve has each percentile within 0.5 %, and ends with the maximum."""
    curve = chart(sample_result(), "curve")
    response = lines(curve)["response time"]
    for step, share in ((0, 0.0), (STEPS, 0.5), (2 * STEPS, 0.75), (4 * STEPS, 0.9375)):
        rank = max(1, int(np.ceil(share * EACH_SECOND)))
        assert response[step] == pytest.approx(4 + rank, rel=0.005)
    assert response[-1] == pytest.approx(24, rel=0.005)
    assert lines(curve)["service time"][-1] == pytest.approx(23, rel=0.005)
    assert {each["name"]: each["y"] for each in curve["marks"]} == {"p95 warning": 50}


def test_server_timing_parts_per_response(trouble: dict[str, Any]):
    """Parts of Server-Timing are in milliseconds per response, by second."""
    parts = lines(chart(trouble, "parts", ENDPOINTS[1]))
    assert [*parts] == ["app", "db", "unattributed"]
    assert parts["app"][0] == 1
    assert parts["db"][0] == pytest.approx(14.5 / 2, rel=0.001)
    assert parts["unattributed"][0] == pytest.approx(14.5 / 2 - 1, rel=0.001)


def test_resource_charts_and_placeholders(trouble: dict[str, Any]):
    """Observed values are drawn; idle and missing ones have a placeholder."""
    assert max(lines(chart(trouble, "pool"))["waiting"]) == 9
    assert lines(chart(trouble, "cpu"))["service"] == [20] * (2 * SECONDS)
    assert chart(trouble, "jobs")["placeholder"].startswith("not measured")
    steady = sample_result()
    steady["resources"]["samples"] = [
        {"t_s": each["t_s"], "jobs_waiting": 0} for each in steady["resources"]["samples"]
    ]
    assert chart(steady, "jobs")["placeholder"] == "always 0: waiting"
    assert chart(steady, "memory")["placeholder"].startswith("not measured")


def test_samples_close_together_make_no_peak():
    """A tick of CPU time between two samples in quick succession is not a full core."""
    result = sample_result()
    samples = result["resources"]["samples"]
    last = samples[-1]
    samples.append({**last, "t_s": last["t_s"] + 0.01, "cpu_s": last["cpu_s"] + 0.01})
    assert max(lines(chart(result, "cpu"))["service"]) == 20


@pytest.mark.parametrize("endpoints", [1, 3, 12, 200])
def test_the_number_of_intervals_is_bounded(endpoints: int):
    """A result has a bounded number of intervals, which include every request."""
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
