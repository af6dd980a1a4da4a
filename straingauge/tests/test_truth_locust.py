"""Accuracy of Locust runs: response times during a stall, compared with the service and the engine.

A service stalls once. Three loads of the same rate are sent, each to a separate service: by users
with Locust's constant throughput, by a shape with two workers, and by the engine. All are compared
with arithmetic and with the service's log, on one clock. The tests do not depend on the speed of
the machine: the tolerance includes the loop lag that the generator reports.
"""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from locust_project import workers
from locust_runs import Run, locust
from straingauge.engine import Load, run_load
from straingauge.journey import User, mix
from straingauge.recording import Recorder
from straingauge.schedule import constant
from straingauge.statistics import metrics

pytestmark = pytest.mark.serial  # a late generator makes a run invalid

SERVICE = Path(__file__).with_name("stalling_service.py")
RATE = 200
STALL_S, LASTS_S = 0.3, 3.005
COUNT = 601  # no quantile here falls on a whole number of it: see stats_buckets
LEAST_MS, MOST_MS = 20, 40
USERS = 20  # too few for most of the arrivals during the stall, which have to wait
QUANTILES = (0.5, 0.95, 0.99)
PRINTED = ("50%", "66%", "75%", "80%", "90%", "95%", "98%", "99%")

PACED = f"""
from itertools import count
from time import monotonic_ns
from gevent import sleep, spawn
from locust import constant_throughput, task
from straingauge.locust import JourneyUser

ended = count(1)

class Paced(JourneyUser):
    wait_time = constant_throughput({RATE // 10})

    def on_start(self):
        sleep(self.journey_user.index / {RATE})  # so that the ten are not due at the same times

    @task
    def ask(self):
        self.client.get(f"/0/{{self.due_ns or monotonic_ns()}}", name="/n")
        if next(ended) == {COUNT}:
            spawn(self.environment.runner.quit)
"""

SHAPED = f"""
import csv, json
from itertools import count
from locust import constant, events, task
from locust.stats import PERCENTILES_TO_REPORT, StatsCSV
from straingauge.locust import Constant, JourneyUser

numbers = count()

class Shaped(JourneyUser):
    wait_time = constant(1000)  # not used with a shape

    @task
    def ask(self):
        n = next(numbers)
        sleep_ms = {LEAST_MS} + 7 * n % {MOST_MS - LEAST_MS + 1}
        self.client.get(f"/{{sleep_ms}}/{{self.due_ns}}", name="/n")

class Shape(Constant):
    rate_per_s, duration_s, users = {RATE}, {LASTS_S}, {USERS}

@events.quitting.add_listener
def keep(environment, **_):
    if environment.parsed_options.worker:
        return
    with open("page.json", "w") as file:  # what the page asks for
        json.dump(environment.stats.total.to_dict(), file)
    with open("stats.csv", "w") as file:  # what the page offers for download
        StatsCSV(environment, PERCENTILES_TO_REPORT).requests_csv(csv.writer(file))
"""


@dataclass
class Truth:
    """Measurements by the service.

    Attributes:
        response_ms: Time of each request from when it was due to when it was answered.
        due_ns: When each was due.
    """

    response_ms: list[float]
    due_ns: list[int]


class MeasuredRun(NamedTuple):
    """A run of Locust, and the service's measurements of it."""

    run: Run
    truth: Truth


@contextmanager
def stalling() -> Iterator[tuple[str, Truth]]:
    """Start a service; its measurements are complete when it has ended."""
    truth = Truth([], [])
    with subprocess.Popen(
        [sys.executable, str(SERVICE), str(LASTS_S / 2), str(STALL_S)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdout is not None
        yield f"http://127.0.0.1:{int(service.stdout.readline())}", truth
        log, _ = service.communicate()
    for _, due_ns, answered_ns in json.loads(log):
        truth.due_ns.append(due_ns)
        truth.response_ms.append((answered_ns - due_ns) / 1e6)


@pytest.fixture(scope="module")
def locust_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[MeasuredRun, MeasuredRun]:
    """A run with Locust's constant throughput, and one with a shape and two workers."""
    path = tmp_path_factory.mktemp("truth")
    users = ["--users", "10", "--spawn-rate", "10"]
    with (
        stalling() as (first, paced_truth),
        stalling() as (second, shaped_truth),
        locust(path / "paced", PACED, first, *users) as paced,
        locust(path / "shaped", SHAPED, second, *workers(2)) as shaped,
    ):
        pass
    return MeasuredRun(paced, paced_truth), MeasuredRun(shaped, shaped_truth)


@pytest.fixture(scope="module")
def paced(locust_runs: tuple[MeasuredRun, MeasuredRun]) -> MeasuredRun:
    """Ten users with Locust's constant throughput."""
    return locust_runs[0]


@pytest.fixture(scope="module")
def shaped(locust_runs: tuple[MeasuredRun, MeasuredRun]) -> MeasuredRun:
    """Arrivals at a constant rate, shared by two workers."""
    return locust_runs[1]


@pytest.fixture(scope="module")
def engine(locust_runs: tuple[MeasuredRun, MeasuredRun]) -> dict[str, Any]:  # noqa: ARG001  one load after the other
    """The metrics of the engine, with the same requests at the same rate."""
    schedule = constant(rate_per_s=RATE, duration_s=LASTS_S)
    numbers = iter(range(COUNT))
    recorder = Recorder()

    def numbered(user: User):
        sleep_ms = LEAST_MS + 7 * next(numbers) % (MOST_MS - LEAST_MS + 1)
        yield user.get(f"/{sleep_ms}/0", name="GET /n")

    with stalling() as (url, _):
        run_load(Load(url, schedule, mix(numbered), [User(n) for n in range(USERS)]), recorder)
    return metrics(recorder.snapshot())


@pytest.mark.parametrize("q", QUANTILES)
@pytest.mark.parametrize("name", ["paced", "shaped"])
def test_response_times_are_those_of_the_service(
    request: pytest.FixtureRequest, name: str, q: float
):
    """Each percentile of the response time is that of the service, within 5 % and the loop lag."""
    run, truth = request.getfixturevalue(name)
    assert run.result["metrics"]["total_requests"] == len(truth.response_ms), run.output
    true_ms = np.quantile(truth.response_ms, q, method="inverted_cdf")
    measured_ms = _percentile(run.result["metrics"], q)
    assert measured_ms == pytest.approx(true_ms, rel=0.05, abs=run.loop_lag_ms)


@pytest.mark.parametrize(("name", "sleep_ms"), [("paced", 0), ("shaped", 30)])
def test_a_stall_shows_in_the_percentiles(
    request: pytest.FixtureRequest, name: str, sleep_ms: float
):
    """A stall of 0.3 s in 3 s shows in p95 at least as large as calculated.

    A request that arrives during the stall waits for its end. So a share p of all requests waits
    longer than 0.3 s - 3 s * p, plus the service's sleep: p95 is 150 ms or 180 ms.
    """
    run, _ = request.getfixturevalue(name)
    calculated_ms = 1000 * (STALL_S - LASTS_S * 0.05) + sleep_ms
    assert _percentile(run.result["metrics"], 0.95) >= 0.95 * calculated_ms


def test_due_times_do_not_depend_on_the_service(paced: MeasuredRun):
    """Each user's runs are due every 50 ms, including those that started late."""
    due_s = np.sort(paced.truth.due_ns) / 1e9
    assert len(due_s) >= COUNT
    assert due_s[COUNT - 1] - due_s[0] == pytest.approx(COUNT / RATE, abs=0.05)
    assert paced.run.processes["locust"]["queued"] > 0


def test_workers_share_the_arrivals_of_a_shape(shaped: MeasuredRun):
    """Two workers serve half of the arrivals each, every arrival once, and drop none."""
    parts = shaped.run.processes.values()
    assert sorted(part["sent"] for part in parts) == [300, 301]
    assert sum(part["dropped"] for part in parts) == 0
    assert shaped.run.result["metrics"]["total_requests"] == COUNT
    assert shaped.run.code == 0, shaped.run.output


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_engine_and_locust_agree(shaped: MeasuredRun, engine: dict[str, Any], q: float):
    """The confidence intervals of the same load by engine and Locust overlap."""
    ours, locusts = _interval(engine, q), _interval(shaped.run.result["metrics"], q)
    assert engine["total_requests"] == COUNT
    assert ours[0] <= locusts[1] + shaped.run.loop_lag_ms
    assert locusts[0] <= ours[1] + shaped.run.loop_lag_ms


def test_locusts_page_and_files_have_the_percentiles_of_the_result(shaped: MeasuredRun):
    """Locust's page has the result's percentiles within 0.5 %; in whole ms, rounded ones."""
    page = json.loads((shaped.run.path / "page.json").read_text())
    with (shaped.run.path / "stats.csv").open() as file:
        (row,) = (each for each in csv.DictReader(file) if each["Name"] == "Aggregated")
    (table,) = (line for line in shaped.run.output.splitlines() if _has_percentiles(line))
    whole_ms = dict(zip(PRINTED, table.split()[1:], strict=False))
    ours_ms = {q: _percentile(shaped.run.result["metrics"], q) for q in QUANTILES}
    assert page["median_response_time"] == pytest.approx(ours_ms[0.5], rel=0.005)
    for q in (0.95, 0.99):
        assert page[f"response_time_percentile_{q}"] == pytest.approx(ours_ms[q], rel=0.005)
    for q, ms in ours_ms.items():
        assert float(row[f"{q:.0%}"]) == pytest.approx(ms, rel=0.005, abs=0.5)
        assert float(whole_ms[f"{q:.0%}"]) == pytest.approx(ms, rel=0.005, abs=0.5)


def _has_percentiles(line: str) -> bool:
    """The line is the last one of Locust's table of percentiles."""
    return line.split()[:1] == ["Aggregated"] and "|" not in line


def _percentile(metrics: dict[str, Any], q: float) -> float:
    """Return a percentile of the response time in milliseconds."""
    return metrics["latency_ms"][f"p{100 * q:.0f}"]


def _interval(metrics: dict[str, Any], q: float) -> tuple[float, float]:
    """Return the confidence interval of a percentile."""
    found = metrics["latency_ms"]["confidence_intervals"][f"p{100 * q:.0f}"]
    return found["low"], found["high"]
