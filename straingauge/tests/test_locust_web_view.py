"""The data of the live page, computed from a result."""

import json
import subprocess
import sys
from typing import Any

import pytest
from sample_results import SECONDS, sample_result
from straingauge.live_view import view

REQUESTING = """
import json, sys
from straingauge.live_view import PageDataCache

class Runs:
    finished_run, requested = None, 0

    def live_result(self):
        self.requested += 1

runs, state, requested = Runs(), ["running"], []
page_data = PageDataCache(runs, lambda: (state[0], 5))
for state[0] in ("running", "running", "stopped", "stopped"):
    for _ in range(500):
        page_data.get()
    requested.append(runs.requested)
json.dump(requested, sys.stdout)
"""
MANY = [f"GET /{n:03d}" for n in range(250)]
PAUSE_S = (5, 6)
TOLERANCE = 0.064  # relative error of percentiles of one second


@pytest.fixture(scope="module")
def views() -> dict[str, dict[str, Any]]:
    """Return the views of several results."""
    pausing, bare, long, many = sample_result(), sample_result(), sample_result(), sample_result()
    pausing["intervals"] = [row for row in pausing["intervals"] if row["start_s"] not in PAUSE_S]
    bare["resources"] |= dict.fromkeys(("service", "pool", "jobs", "database", "machine"))
    bare["resources"]["samples"] = []
    long["resources"]["samples"] = [
        {"t_s": n / 2, "pool_in_use": 7 if n == 777 else 1} for n in range(2_000)
    ]
    metrics = many["endpoints"]["GET /items"]
    many["endpoints"] = dict.fromkeys(MANY, metrics)
    failed = {**many["verdict"]["findings"][0], "endpoint": MANY[-1], "grade": "critical"}
    many["verdict"]["findings"].append(failed)
    found = {
        "steady": sample_result(),
        "trouble": sample_result(trouble=True),
        "pausing": pausing,
        "bare": bare,
        "long": long,
        "many": many,
    }
    # Lists in place of tuples, as the page receives them.
    decoded: dict[str, dict[str, Any]] = json.loads(
        json.dumps({name: view(result) for name, result in found.items()})
    )
    return decoded


def line(view: dict[str, Any], chart: str, name: str) -> list[list[float | None]]:
    """Return the points of a line."""
    (found,) = (each for each in view["charts"] if each["title"] == chart)
    (y,) = (each["y"] for each in found["series"] if each["name"] == name)
    return [list(point) for point in zip(found["x"], y, strict=True)]


@pytest.mark.parametrize(("name", "expected_ms"), [("p50", 14), ("p95", 23)])
def test_percentiles_are_of_each_second(
    views: dict[str, dict[str, Any]], name: str, expected_ms: float
):
    """Response times over the run are percentiles of each second."""
    steady, trouble = (line(views[run], "Response time", name) for run in ("steady", "trouble"))
    middles_s = [second + 0.5 for second in range(SECONDS - 1)]  # the last is not over
    assert [t_s for t_s, _ in steady] == middles_s
    assert [ms for _, ms in steady] == [pytest.approx(expected_ms, rel=TOLERANCE)] * len(steady)
    assert trouble[9][1] == pytest.approx(expected_ms, rel=TOLERANCE)
    assert trouble[11][1] == pytest.approx(40 * expected_ms, rel=2 * TOLERANCE)


def test_a_second_without_requests_is_shown(views: dict[str, dict[str, Any]]):
    """A second without requests shows 0 requests and a gap in the response time."""
    requests = dict(line(views["pausing"], "Requests per second", "succeeded"))
    times = dict(line(views["pausing"], "Response time", "p95"))
    assert [requests[t_s + 0.5] for t_s in (4, *PAUSE_S, 7)] == [40, 0, 0, 40]
    assert [times[t_s + 0.5] for t_s in PAUSE_S] == [None, None]


def test_server_timing_is_the_mean_of_each_second(views: dict[str, dict[str, Any]]):
    """Each Server-Timing part is the mean per response of each second."""
    lines = {name: line(views["steady"], "Response time by part", name) for name in ("db", "app")}
    assert [ms for _, ms in lines["app"]] == [pytest.approx(1)] * (SECONDS - 1)
    assert [ms for _, ms in lines["db"]] == [pytest.approx(14.5 / 2, rel=0.001)] * (SECONDS - 1)


def test_cpu_is_of_the_time_between_two_samples(views: dict[str, dict[str, Any]]):
    """0.1 s of CPU time in each half second is 20 % of a core, throughout the run."""
    service = line(views["steady"], "CPU", "service")
    assert {round(percent or 0, 3) for _, percent in service} == {20}


def test_peaks_are_kept(views: dict[str, dict[str, Any]]):
    """The points of a long run are reduced, and its only peak stays."""
    in_use = line(views["long"], "Connection pool", "in use")
    assert len(in_use) <= 120
    assert [388.5, 7] in in_use
    assert sorted({value or 0 for _, value in in_use}) == [1, 7]


def test_missing_resources_are_omitted(views: dict[str, dict[str, Any]]):
    """Without samples there are no empty groups and no empty charts."""
    bare = views["bare"]
    assert [group["title"] for group in bare["resources"]] == []
    titles = [chart["title"] for chart in bare["charts"]]
    assert titles == ["Response time", "Requests per second", "Response time by part"]


def test_endpoints_are_limited_and_the_worst_kept(views: dict[str, dict[str, Any]]):
    """A table of hundreds is cut, with the number omitted; failed endpoints come first."""
    many = views["many"]
    assert many["endpoints"][0]["name"] == MANY[-1]
    assert many["endpoints"][0]["grade"] == "critical"
    assert len(many["endpoints"]) + many["endpoints_omitted"] == len(MANY)
    assert many["endpoints_omitted"] == 50


def test_the_first_failure_has_its_time(views: dict[str, dict[str, Any]]):
    """The diagnosis has the first failure and its time; a healthy run has none."""
    first = views["trouble"]["diagnosis"]["first"]
    assert "p95 761 ms" in first["message"]
    assert 10 <= first["at_s"] < 14
    assert views["steady"]["diagnosis"]["first"] is None


def test_a_result_is_requested_once_for_all_viewers():
    """Viewers share the data for two seconds; the end of a run is shown at once.

    In a separate process, because Locust patches the one that imports it.
    """
    done = subprocess.run(
        [sys.executable, "-c", REQUESTING], stdout=subprocess.PIPE, text=True, check=True
    )
    assert json.loads(done.stdout) == [1, 1, 2, 2]
