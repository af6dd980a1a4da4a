import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from formats import whole
from straingauge.capacity import (
    CapacityRun,
    Level,
    LevelSearch,
    chart,
    document,
    knee,
    page,
    summary,
)
from straingauge.capacity.level_search import Phase
from straingauge.capacity.terminal import level_line
from straingauge.errors import TargetError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def level(
    at: float, phase: Phase = "step", *, passed: bool = True, unproven: str | None = None
) -> Level:
    """A level of a service that responds in 10 ms, or far too late."""
    return Level(
        level=at,
        phase=phase,
        passed=passed,
        reasons=[] if passed else ["p95 900 ms, warning from 500 ms"],
        load_independent={},
        inconclusive=unproven,
        throughput_rps=at,
        concurrency=at / 100,
        avg_ms=10.0 if passed else 800.0,
        p50_ms=9.0,
        p95_ms=20.0,
        p99_ms=30.0,
        error_rate_percent=0.0,
        cpu_percent=None,
    )


def result(message: str = "p95 900 ms, warning from 500 ms") -> dict[str, Any]:
    """The parts of a result that name a first failure."""
    entry = {
        "rule": "p95_ms",
        "grade": "critical",
        "message": message,
        "endpoint": "",
        "value": 900.0,
        "threshold": None,
        "cause": None,
    }
    cause = {
        "cause": "cpu_bound",
        "title": "the service has no CPU left",
        "confidence": 0.9,
        "evidence": ["it used 99 % of a core"],
        "advice": ["give it more workers"],
    }
    return {
        "name": "hunted",
        "endpoints": {},
        "metrics": {"stalls": None},
        "verdict": {"grade": "critical", "findings": [entry]},
        "validity": {"reasons": []},
        "diagnosis": [cause],
    }


class Simulated:
    """A service that passes up to a limit, and near it only sometimes."""

    def __init__(self, limit: float, *, doubtful: float = 0.0, seed: int = 1) -> None:
        self.limit = limit
        self.doubtful = doubtful  # a share of the limit
        self.played: list[tuple[float, Phase]] = []
        self._chance = random.Random(seed)

    def __call__(self, at: float, phase: Phase) -> tuple[Level, Mapping[str, Any]]:
        """Run a level."""
        self.played.append((at, phase))
        off = (at / self.limit - 1) / (self.doubtful or 1e-9)
        passed = off < -1 or (off < 1 and self._chance.random() > (off + 1) / 2)
        return level(at, phase, passed=passed), result()


def search(service: Any, **options: Any) -> CapacityRun:  # noqa: ANN401  a service, a search's settings
    """A search on a service, to its end."""
    found = CapacityRun(LevelSearch(**({"first": 10, "maximum": 1000} | options)))
    found.run(service)
    return found


@pytest.mark.parametrize("limit", [3.1, 12, 99.5, 640, 999])
def test_the_capacity_is_within_the_precision(limit: float):
    """Whatever the limit, the capacity passed, was confirmed, and is within 5 % below it."""
    service = Simulated(limit)
    found = search(service)
    assert found.capacity is not None
    assert 0.93 * limit <= found.capacity <= limit
    assert [each for each in service.played if each[1] == "confirmation"] == [
        (found.capacity, "confirmation")
    ] * 2
    assert len(service.played) < 20


def test_nothing_above_the_maximum_is_tried():
    """A service that passes every level has a capacity of at least the maximum."""
    service = Simulated(10_000)
    found = search(service, maximum=777)
    assert max(at for at, _ in service.played) == 777
    assert (found.capacity, found.search.at_least) == (777, True)


def test_users_are_whole():
    """A number of users is found exactly."""
    found = search(Simulated(37.5), first=1, maximum=200, precision=0.001, whole=True)
    assert found.capacity == 37


def test_a_service_that_fails_every_level_has_no_capacity():
    """If a small share of the first level fails, the search ends without a capacity."""
    service = Simulated(0.001)
    found = search(service)
    assert (found.capacity, found.search.over) == (None, True)
    assert min(at for at, _ in service.played) >= 10 / 64


def test_a_level_that_passes_by_chance_is_no_capacity():
    """If levels near the limit pass only sometimes, the capacity passed each time."""
    capacities = [search(Simulated(100, doubtful=0.2, seed=seed)).capacity for seed in range(50)]
    known = [each for each in capacities if each is not None]
    assert len(known) == 50
    assert all(70 <= each <= 112 for each in known)
    unconfirmed = [
        search(Simulated(100, doubtful=0.2, seed=seed), confirmations=0).capacity or 0
        for seed in range(50)
    ]
    assert sum(known) < sum(unconfirmed)  # confirming takes the lucky ones out


def test_a_generator_that_stays_late_ends_the_search():
    """A level at which the generator is late three times is inconclusive; there is no capacity."""

    def run_level(at: float, phase: Phase) -> tuple[Level, Mapping[str, Any]]:
        late = "the generator was late" if at > 50 else None
        return level(at, phase, unproven=late), result()

    found = search(run_level)
    assert found.ended == "at 80: the generator was late"
    assert (found.capacity, found.search.best) == (None, 40)
    assert [each.level for each in found.levels] == [10, 20, 40, 80, 80, 80]


def test_a_generator_that_was_late_for_a_moment_repeats_the_level():
    """Inconclusive levels are run again, each up to twice, and the search goes on."""
    runs: Counter[float] = Counter()

    def run_level(at: float, phase: Phase) -> tuple[Level, Mapping[str, Any]]:
        runs[at] += 1
        late = "the generator was late" if runs[at] <= 2 else None
        return level(at, phase, unproven=late), result()

    found = search(run_level, maximum=40, confirmations=0)
    assert (found.ended, found.capacity) == (None, 40)
    assert runs == {10: 3, 20: 3, 40: 3}
    assert level_line(found.levels[0].as_dict(), "/s").endswith(
        "inconclusive: the generator was late"
    )
    assert level_line(found.levels[2].as_dict(), "/s").endswith("passed")


@pytest.mark.parametrize("error", [TargetError("it died"), KeyboardInterrupt()])
def test_levels_are_kept(error: BaseException):
    """If the service dies or the user interrupts, all levels are kept."""

    def run_level(at: float, phase: Phase) -> tuple[Level, Mapping[str, Any]]:
        if at > 50:
            raise error
        return level(at, phase), result()

    found = search(run_level)
    assert found.ended in ("it died", "interrupted")
    assert [each.level for each in found.levels] == [10, 20, 40]
    assert found.capacity is None
    assert (found.error is error) == isinstance(error, TargetError)


def test_the_knee_has_the_highest_power():
    """The knee is the level with the highest throughput for its response time."""
    times_ms = {10: 10.0, 20: 11.0, 40: 15.0, 80: 80.0}
    levels = [replace(level(at), avg_ms=avg) for at, avg in times_ms.items()]
    found = knee(levels)
    assert found is not None
    assert found.level == 40
    assert knee(levels[:3]) is None  # it may lie beyond


def test_summary_chart_and_page_are_complete():
    """Summary, chart and page have the capacity, knee, limit, cause and fitted law."""
    found = document(
        search(Simulated(100)),
        name="hunted",
        unit="/s",
        started=NOW,
        configuration={},
        near=Path(),
    )
    told = summary(found)
    for part in ("capacity 9", "confirmed 3/3", "knee ", "p95 900 ms", "no CPU left", "USL"):
        assert part in told
    assert "failed" in chart(found)
    html = page(found)
    assert html.count("<svg") == 2
    assert html.count('class="point passed"') == 2 * sum(each["passed"] for each in found["levels"])
    assert "http" not in html.replace("http-equiv", "")  # it loads nothing


def test_a_limit_without_a_threshold():
    """If no threshold failed, the limit is the reason for which the level failed."""
    found = search(Simulated(100))
    assert found.limit_result is not None
    found.limit_result = {**found.limit_result, "verdict": {"grade": "target", "findings": []}}
    kept = document(found, name="hunted", unit="/s", started=NOW, configuration={}, near=Path())
    assert kept["limit"]["first_failure"] is None
    assert "limit    at 100/s: p95 900 ms" in summary(kept)


def test_a_backlog_is_explained():
    """A level that failed by a backlog alone has a cause."""
    found = search(Simulated(100))
    silent = whole(verdict={"grade": "target", "findings": []}, diagnosis=[])
    metrics = {**silent["metrics"], "server_timing": None}
    service = {**silent["resources"]["service"], "cpu_percent": {"avg": 96.0, "peak": 99.0}}
    found.limit_result = {
        **silent,
        "metrics": metrics,
        "resources": {**silent["resources"], "service": service},
    }
    kept = document(found, name="hunted", unit="/s", started=NOW, configuration={}, near=Path())
    assert kept["limit"]["diagnosis"][0]["cause"] == "cpu_bound"


def test_a_load_independent_problem_is_not_the_limit():
    """A problem at any load is not the limit; the level's own reason is."""
    danger = {
        "rule": "a title",
        "grade": "warning",
        "message": "seen",
        "endpoint": "",
        "value": None,
    }
    danger |= {"threshold": None, "cause": "keep_alive_off"}
    found = search(Simulated(100))
    found.limit_result = whole(verdict={"grade": "warning", "findings": [danger]})
    kept = document(found, name="hunted", unit="/s", started=NOW, configuration={}, near=Path())
    assert kept["limit"]["first_failure"] is None
    assert "limit    at 100/s: p95 900 ms" in summary(kept)


def test_an_aborted_level_fails():
    """A level that was aborted for its errors fails, and says so first."""
    metrics = {"throughput_rps": 5.0, "error_rate_percent": 50.0}
    latency = {"avg": 1.0, "p50": 1.0, "p95": 1.0, "p99": 1.0}
    judged = {
        "metrics": metrics | {"latency_ms": latency},
        "verdict": {"findings": []},
        "validity": {"reasons": [{"reason": "interrupted", "severity": "invalid", "message": "x"}]},
        "resources": {},
    }
    found = Level.of(5, "step", judged, fail_at="warning", aborted="half of them failed")
    assert (found.passed, found.reasons, found.inconclusive) == (
        False,
        ["half of them failed"],
        None,
    )
    late = {"reason": "late_sends", "severity": "invalid", "message": "late"}
    found = Level.of(5, "step", judged | {"validity": {"reasons": [late]}}, fail_at="warning")
    assert (found.passed, found.inconclusive) == (True, "late")


@pytest.mark.parametrize(("cause", "passed"), [("keep_alive_off", True), ("freeze", False)])
def test_load_independent_problems_do_not_limit_capacity(
    cause: str,
    passed: bool,  # noqa: FBT001
):
    """A cause that depends on load fails a level; any other is a note."""
    danger = {"rule": "a title", "grade": "warning", "message": "seen", "threshold": None}
    latency = {"avg": 1.0, "p50": 1.0, "p95": 1.0, "p99": 1.0}
    judged = {
        "metrics": {"throughput_rps": 5.0, "error_rate_percent": 0.0, "latency_ms": latency},
        "verdict": {"findings": [danger | {"cause": cause}]},
        "validity": {"reasons": []},
        "resources": {},
    }
    found = Level.of(5, "step", judged, fail_at="warning")
    assert (found.passed, bool(found.reasons), bool(found.load_independent)) == (
        passed,
        not passed,
        passed,
    )
    run = search(Simulated(100))
    run.levels[0] = replace(run.levels[0], load_independent=found.load_independent)
    kept = document(run, name="hunted", unit="/s", started=NOW, configuration={}, near=Path())
    assert ("at any load: a title: seen" in summary(kept)) == passed


@pytest.mark.parametrize(
    ("min_ms", "p95_ms", "duration_s", "passed"),
    [
        (5, 20, 10.1, True),
        (5, 1900, 12.0, False),  # a queue that grew all the time
        (5, 20, 12.0, True),  # one slow answer in the end
        (2000, 2100, 12.0, True),  # a service that always takes so long
    ],
)
def test_a_level_with_a_backlog_fails(
    min_ms: float,
    p95_ms: float,
    duration_s: float,
    passed: bool,  # noqa: FBT001
):
    """If arrivals queue up, a longer run would exceed every threshold: the level fails."""
    judged = {
        "metrics": {
            "throughput_rps": 50.0,
            "error_rate_percent": 0.0,
            "duration_s": duration_s,
            "latency_ms": {"avg": 9.0, "min": min_ms, "p50": 9.0, "p95": p95_ms, "p99": 9.0},
        },
        "verdict": {"findings": []},
        "validity": {"reasons": []},
        "resources": {},
    }
    found = Level.of(50, "step", judged, fail_at="warning", arrivals_s=10.0)
    assert found.passed == passed
    assert passed or found.reasons[0].startswith("it does not keep up")
    assert Level.of(50, "step", judged, fail_at="warning").passed  # users never queue up
