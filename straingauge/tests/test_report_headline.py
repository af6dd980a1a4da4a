"""The head of the page: the finding, and the numbers of the run that failed."""

import numpy as np
from sample_results import sample_result
from straingauge.report.charts.latency import over_time
from straingauge.report.page import page
from straingauge.report.summary import summary, worst
from straingauge.statistics.distribution import Distribution

MS = 1_000_000


def test_the_headline_is_the_cause_alone():
    """A failed run's page leads with its likeliest cause; the count follows, advice is below."""
    head = summary([sample_result("calm"), sample_result("stormy", trouble=True, minute=1)])
    assert head["headline"] == "Requests fail with an error status or a timeout (80% sure)"
    assert head["sentence"] == "1 of 2 load tests crossed a critical threshold"
    assert head["grade"] == "critical"


def test_the_tiles_are_those_of_the_failed_run():
    """The numbers in the head belong to the failed run, which is named."""
    head = summary([sample_result("calm"), sample_result("stormy", trouble=True, minute=1)])
    tiles = {tile["name"]: tile["value"] for tile in head["tiles"]}
    assert head["test"] == "stormy"
    assert tiles["requests"] == "800"
    assert tiles["errors"] == "32"


def test_a_passed_run_has_no_finding():
    """The headline of a run that met its targets is its verdict, without a second sentence."""
    head = summary([sample_result("calm")])
    assert head["headline"] == "calm met every target"
    assert not head["sentence"]


def test_an_invalid_run_has_no_finding():
    """The headline of an invalid run is that no conclusion can be drawn, whatever its causes."""
    result = sample_result("stormy", trouble=True)
    result["verdict"]["grade"] = "invalid"
    assert summary([result])["headline"] == "stormy is invalid: no conclusion can be drawn"


def test_of_equal_verdicts_the_longest_run_is_shown():
    """With equal verdicts the page opens on the longest run, not on the first."""
    short, long = sample_result("short"), sample_result("long")
    short["metrics"] = {**short["metrics"], "duration_s": 0.5}
    assert worst([short, long])["name"] == "long"
    assert 'data-shown="[1]"' in page([short, long])


def latency_series(counts: list[int]) -> dict[str, list[float | None]]:
    """Return the lines of the chart of a run with these numbers of requests per second."""
    rows = [{"start_s": n, "duration_s": 1, "longest_ms": 10.0} for n in range(len(counts))]
    times = [
        Distribution(np.array([(second + 1) * MS]), np.array([count])) if count else Distribution()
        for second, count in enumerate(counts)
    ]
    chart = over_time(sample_result(), rows, times, "")
    return {each["name"]: each["y"] for each in chart["series"]}


def test_a_percentile_has_bins_as_wide_as_it_needs():
    """A p99 is that of bins of 100 requests: its values change less often than those of p50."""
    lines = latency_series([50] * 4)
    assert len(set(lines["p50"])) == 4
    assert len(set(lines["p95"])) == 4
    assert len(set(lines["p99"])) == 2


def test_a_percentile_without_enough_requests_is_not_drawn():
    """Eight requests a second for 3 s carry a p95, not a p99."""
    lines = latency_series([8] * 3)
    assert "p99" not in lines
    assert len(set(lines["p95"])) == 1


def test_a_bin_has_no_value_where_no_request_was():
    """A second without a response stays a gap, and the rest joins the last bin."""
    assert latency_series([100, 0, 100, 5])["p99"][1] is None
    assert latency_series([100, 0, 100, 5])["p99"][3] is not None
