"""Rules that end a run: evaluated with a made clock, and by a load that meets one."""

import socket
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from straingauge.abort import AbortEvaluator, RunTotals
from straingauge.cli.journey_file import from_paths
from straingauge.errors import UsageError
from straingauge.journey import User
from straingauge.observe import Observations
from straingauge.recording import Series, TransactionSeries
from straingauge.result.assembly.ended_early import describe
from straingauge.runner import LoadRunner, LoadSpec, LoginCache, conclude_run
from straingauge.runner.abort_watch import AbortWatch
from straingauge.verdict import Thresholds
from straingauge.workers import Arrivals, Ending, LocalCoordinator, MergedReports

from straingauge import constant, read_result

MS = 1_000_000


class Service:
    """A made service: what was counted of it so far, at a made clock."""

    def __init__(self, rules: str, dead_s: float | None = None) -> None:
        thresholds = Thresholds.parse(tomllib.loads(rules), source="a test")
        self.evaluator = AbortEvaluator(thresholds, "run", dead_s)
        self.series = {"GET /a": Series(), "GET /b": Series()}
        self.transactions: dict[str, TransactionSeries] = {}
        self.groups: dict[Any, list[Series]] = {}
        self.arrivals = Arrivals()
        self.samples: list[dict[str, float]] = []
        self.at_s = 0.0

    def serve(self, count: int, ms: float, endpoint: str = "GET /a", status: int = 200) -> None:
        """Count successful responses."""
        series = self.series[endpoint]
        series.requests += count
        series.statuses[status] += count
        series.response.add(np.full(count, int(ms * MS), dtype=np.int64))

    def fail(self, count: int, kind: str, endpoint: str = "GET /a") -> None:
        """Count failed requests without a response."""
        self.series[endpoint].requests += count
        self.series[endpoint].errors[kind] += count

    def tick(self, passed_s: float = 1.0) -> Ending | None:
        """Let time pass, and evaluate."""
        self.at_s += passed_s
        observations = Observations(samples=self.samples) if self.samples else None
        totals = RunTotals(
            self.at_s, self.series, self.transactions, self.groups, self.arrivals, observations
        )
        return self.evaluator.add(totals)


def rule(metric: str, critical: float, more: str = "", *, higher: bool = False) -> str:
    """A threshold that aborts."""
    good, bad = (critical, critical) if higher else (0, critical)
    levels = f"target = {good}, warning = {bad}, critical = {critical}"
    return f"{metric} = {{ {levels}, abort = true{more} }}\n"


def test_percentile_of_the_window_aborts():
    """A percentile that is critical over the window ends the run, whatever the time before was."""
    service = Service("[all]\n" + rule("p95_ms", 1000, ', window = "5s"'))
    for _ in range(100):
        service.serve(1000, ms=10)
        assert service.tick() is None
    ending = None
    while ending is None and service.at_s < 120:
        service.serve(100, ms=2000)
        ending = service.tick()
    assert ending is not None
    assert ending.at_s < 106
    assert ending.by == "threshold"
    assert (ending.rule, ending.endpoint) == ("p95_ms", "")
    assert "in the last 5 s, critical from 1,000 ms" in ending.message


def test_nothing_is_aborted_before_the_grace_time_and_a_whole_window():
    """A run has its window, and its grace time, before anything ends it."""
    service = Service("[all]\n" + rule("p95_ms", 100, ', window = "2s", after = "7s"'))
    found = []
    for _ in range(8):
        service.serve(100, ms=500)
        found.append(service.tick())
    assert [each is None for each in found] == [True] * 6 + [False] * 2
    short = Service("[all]\n" + rule("p95_ms", 100, ', window = "3s"'))
    short.serve(100, ms=500)
    assert short.tick(2.9) is None
    short.serve(100, ms=500)
    assert short.tick(0.2) is not None


def test_few_requests_have_no_percentile():
    """A percentile without any request beyond it is no reason to end a run."""
    service = Service("[all]\n" + rule("p99_ms", 100, ', window = "2s"'))
    for _ in range(10):
        service.serve(40, ms=500)
        assert service.tick() is None
    service.serve(60, ms=500)
    assert service.tick() is not None


@pytest.mark.parametrize("endpoint", ["GET /a", "GET /b"])
def test_rule_of_an_endpoint(endpoint: str):
    """A rule of one endpoint looks at that endpoint alone."""
    service = Service('[endpoint."GET /b"]\n' + rule("p90_ms", 100, ', window = "2s"'))
    ending = None
    for _ in range(5):
        service.serve(50, ms=500, endpoint=endpoint)
        ending = ending or service.tick()
    assert (ending is not None) == (endpoint == "GET /b")
    if ending is not None:
        assert ending.endpoint == "GET /b"
        assert ending.message.startswith("GET /b: p90 ")


@pytest.mark.parametrize("table", ["scenario.shop", "tag.read"])
def test_rule_of_a_scenario(table: str):
    """A rule of a scenario, or of a tag, looks at its requests alone."""
    service = Service(f"[{table}]\n" + rule("p90_ms", 100, ', window = "2s"'))
    part: Any = (table.partition(".")[0] + "s", table.partition(".")[2])
    service.groups[part] = [service.series["GET /b"]]
    ending = None
    for second in range(8):
        service.serve(50, ms=500)
        service.serve(50, ms=500 if second > 3 else 5, endpoint="GET /b")
        ending = ending or service.tick()
    assert ending is not None
    assert ending.at_s > 4
    assert ending.message.startswith(f"{table.replace('.', ' ')}: p90 ")


def test_rule_of_a_transaction():
    """A rule of a transaction looks at that transaction alone."""
    service = Service("[transaction.checkout]\n" + rule("p90_ms", 100, ', window = "2s"'))
    ending = None
    for second in range(8):
        service.serve(50, ms=500)
        series = service.transactions.setdefault("checkout", TransactionSeries())
        series.completed += 50
        series.response.add(np.full(50, (500 if second > 3 else 5) * MS, dtype=np.int64))
        ending = ending or service.tick()
    assert ending is not None
    assert ending.at_s > 4
    assert ending.message.startswith("transaction checkout: p90 ")


def test_errors_by_kind_and_rate():
    """Error rates, rates by status, and the request rate are of the window."""
    for metric, critical, higher in (
        ("error_rate_percent", 50, False),
        ("timeout_rate_percent", 50, False),
        ("throughput_rps", 20, True),
    ):
        service = Service("[all]\n" + rule(metric, critical, ', window = "2s"', higher=higher))
        for _ in range(10):
            service.serve(50, ms=1)
            assert service.tick() is None
        service.fail(8, "timeout")
        service.tick()
        service.fail(8, "timeout")
        service.tick()
        service.fail(8, "timeout")
        assert service.tick() is not None, metric


def test_dead_service():
    """Only a service without any response for the whole time is dead."""
    service = Service("", dead_s=3)
    for _ in range(5):
        service.serve(50, ms=1)
        service.fail(500, "refused")
        assert service.tick() is None
    found = []
    for _ in range(4):
        service.fail(500, "refused")
        service.fail(5, "reset")
        found.append(service.tick())
    ending = found[-2]
    assert found[:2] == [None, None]
    assert ending is not None
    assert ending.by == "dead_service"
    assert "no request got a response in the last 3 s (1500 refused, 15 reset)" in ending.message


def test_missed_arrival_rate():
    """Arrivals that find no free user end a run that demands its rate."""
    rules = "[all]\n" + rule("arrivals_percent", 90, ', window = "2s"', higher=True)
    service = Service(rules)
    for second in range(1, 6):
        service.arrivals = Arrivals(started=100 * second, due=100 * second)
        assert service.tick() is None
    service.arrivals = Arrivals(started=595, due=600)
    assert service.tick() is None
    service.arrivals = Arrivals(started=600, due=700)
    ending = service.tick()
    assert ending is not None
    assert "arrivals started 50 % in the last 2 s, critical below 90 %" in ending.message


def test_resources_of_the_service():
    """The service's CPU over the window ends a run; what was before does not count."""
    service = Service("[all]\n" + rule("cpu_percent", 90, ', window = "3s"'))
    used_s = 0.0
    for second in range(1, 20):
        used_s += 1.0 if second > 10 else 0.1
        service.samples.append({"t_ns": second * 1e9, "cpu_s": used_s})
        if ending := service.tick():
            assert 12 <= ending.at_s <= 15
            break
    else:
        pytest.fail("the run was not aborted")


def test_cost_does_not_grow_with_time():
    """A long run keeps no more snapshots than a short one."""
    service = Service("[all]\n" + rule("p95_ms", 1000, ', window = "10s"'))
    for _ in range(2000):
        service.serve(1, ms=1)
        service.tick(0.5)
    (history,) = service.evaluator._histories.values()
    assert len(history) <= 12


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abort = 1", "abort: not true or false: 1"),
        ("window = '5s'", "window: needs abort = true"),
        ("abort = true, window = 'x'", "window: not a time: 'x'"),
        ("abort = true, window = true", "window: not a time: True"),
        ("abort = true, window = '1h'", "window: must be from 1s to 600s"),
        ("abort = true, fater = '1s'", "needs exactly target, warning and critical"),
    ],
)
def test_mistakes_in_an_abort(tmp_path: Path, text: str, message: str):
    """A mistake in a rule that aborts is shown with its line before anything is sent."""
    path = tmp_path / "thresholds.toml"
    path.write_text(f"[all]\np95_ms = {{ target = 1, warning = 2, critical = 3, {text} }}\n")
    with pytest.raises(UsageError, match="line 2: ") as error:
        Thresholds.read(path)
    assert message in str(error.value)


def test_metric_of_a_whole_run_cannot_abort():
    """A trend over the whole run has no value for its last seconds."""
    levels = {"target": 1, "warning": 2, "critical": 3, "abort": True}
    content: dict[str, Any] = {"all": {"degradation_percent_per_minute": levels}}
    with pytest.raises(UsageError, match="cannot abort a run"):
        Thresholds.parse(content, source="a test")


def test_end_says_what_was_cut():
    """The end of a run says who ended it, when, and what was cut off."""
    section = {
        "by": "threshold",
        "message": "p95 2,100 ms in the last 5 s, critical from 2,000 ms",
        "rule": "p95_ms",
        "endpoint": "",
        "at_s": 12.51,
        "planned_s": 60.0,
        "requests_cut": 3,
    }
    assert describe(section) == (  # type: ignore[arg-type]
        "aborted after 12.5 s of 60 s: p95 2,100 ms in the last 5 s, critical from 2,000 ms; "
        "cut off: the last 47.5 s of the load and 3 requests in flight"
    )


@pytest.mark.serial  # the generator must be punctual
def test_load_on_a_dead_service_ends(tmp_path: Path):
    """A load without any response ends after the time that was set, and its verdict is critical."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
    spec = LoadSpec(
        name="dead",
        test="dead",
        test_file=tmp_path / "dead",
        journeys=from_paths(["/"]).journeys,
        schedule=constant(rate_per_s=50, duration_s=60),
        users=[User(0), User(1)],
        cooldown_s=0.0,
        profile=False,
        abort_dead_s=1.0,
        results_dir=tmp_path,
    )
    said: list[str] = []
    aborts = AbortWatch(said.append)

    def watch(test: str, merged: MergedReports) -> bool:
        aborts.watch(test, merged, coordinator.end_load)
        return False

    coordinator = LocalCoordinator(lambda *_: url, watch)
    merged = LoadRunner(spec, coordinator, "p1").run(LoginCache())
    assert merged is not None
    outcome = conclude_run(merged, spec.thresholds)
    assert outcome.exit_code == 1
    messages = [each.message for each in outcome.verdict.findings if each.grade == "critical"]
    assert any(each.startswith("aborted: the service is dead") for each in messages)
    ended = outcome.result["ended_early"]
    assert (ended["by"], ended["planned_s"]) == ("dead_service", 60)
    assert 1 <= ended["at_s"] < 30
    assert said[0].startswith("load dead is aborted after ")
    assert read_result(outcome.path)["ended_early"] == ended  # type: ignore[arg-type]
