"""Benchmarks: rounds until the intervals are narrow, verdicts by their lower ends, and the page."""

import json
import sys
from collections.abc import Callable, Iterator
from math import exp, log, sqrt
from typing import Any

import pytest
from documents import ROOT

sys.path.append(str(ROOT / "benchmarks"))  # tests/ has a service.py too

import page
from case import CPU, RATE, Case, Limit, Ratio
from cases import CASES
from curve import Curve
from curve_picture import picture
from intervals import interval
from measurement import MeasurementError
from profiling_cost import BY_DEFAULT, REQUESTED, WITHOUT, Load, cost_percent, is_cheap
from results import MISSED, NO_VALUE, OK, TOO_FEW, CaseResult
from rounds import case_deadline_s, measure_rounds

OURS, PEER = "ours", "peer"


class Clock:
    """A clock that each measurement advances by a second."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def measurement(self, values: list[tuple[float, float]]) -> Callable[[Any], dict[str, float]]:
        """Return a function that measures rates and CPU times in turn, over and over."""
        left: Iterator[tuple[float, float]] = iter(values * 1000)

        def measure(_: object) -> dict[str, float]:
            self.now_s += 1
            rate, cpu = next(left)
            return {RATE: rate, CPU: cpu}

        return measure


def measured(
    ours: list[tuple[float, float]],
    peer: list[tuple[float, float]],
    ratio: Ratio,
    *,
    until_s: float = 1000,
) -> CaseResult:
    """Measure a case by these values."""
    clock = Clock()
    measurements = {OURS: clock.measurement(ours), PEER: clock.measurement(peer)}
    result = CaseResult(Case("key", "title", measurements, (ratio,), ours=OURS))
    for _ in measure_rounds(result, None, until_s, lambda: clock.now_s):
        pass
    return result


def test_measurements_without_noise_take_three_rounds():
    """Three rounds give an interval; if it is narrow, no more are measured."""
    result = measured([(700, 10)], [(100, 70)], Ratio(PEER, 5, 8))
    assert {name: len(rounds) for name, rounds in result.rounds.items()} == {OURS: 3, PEER: 3}
    ratio = result.ratio(PEER, RATE)
    assert ratio is not None
    assert (ratio.low, ratio.middle, ratio.high) == pytest.approx((7, 7, 7))
    assert not result.is_out_of_time


def test_rounds_are_added_until_the_interval_is_narrow():
    """One disturbed round costs further rounds, and is then without effect."""
    steady = [(700.0, 10.0)] * 20
    disturbed = [steady[0], (250, 30), *steady[2:]]
    result = measured(disturbed, [(100, 70)], Ratio(PEER, 5, 8))
    ratio = result.ratio(PEER, RATE)
    assert ratio is not None
    assert ratio.is_within(0.1)
    assert ratio.rounds == 10
    assert not result.is_out_of_time


def test_noisy_measurements_end_with_their_time():
    """No round begins that would end after the deadline, and the result says so."""
    noisy = [(700.0, 10.0), (300.0, 20.0), (500.0, 16.0)]
    result = measured(noisy, [(100, 70)], Ratio(PEER, 5, 8), until_s=17)
    assert len(result.rounds[OURS]) == 8
    assert result.is_out_of_time


def test_a_ratio_without_time_has_no_verdict():
    """One round is always measured; too few rounds give no interval, and pass nothing."""
    result = measured([(700, 10)], [(100, 70)], Ratio(PEER, 5), until_s=0)
    (ratio,) = result.case.ratios
    assert len(result.rounds[OURS]) == 1
    assert result.verdict(ratio) == TOO_FEW
    assert not result.passed


@pytest.mark.parametrize(
    ("required", "goal", "verdicts"),
    [(6.5, 6.8, (OK, OK)), (6.5, 7.0, (OK, MISSED)), (7.0, 7.5, (MISSED, MISSED))],
)
def test_the_lower_end_of_the_interval_decides(
    required: float, goal: float, verdicts: tuple[str, str]
):
    """A ratio whose estimate of 7.2 is above the requirement misses it by its lower end of 6.87."""
    ours = [(rate, 1000 / rate) for rate in (700.0, 720.0, 740.0)]
    result = measured(ours, [(100, 10)], Ratio(PEER, required, goal))
    (ratio,) = result.case.ratios
    found = result.ratio(PEER, RATE)
    assert found is not None
    assert (found.low, found.middle) == pytest.approx((6.87, 7.2), rel=1e-3)
    assert (result.verdict(ratio), result.goal_verdict(ratio)) == verdicts
    assert result.passed == (verdicts[0] == OK)


def test_a_ratio_counts_by_cpu_time_too():
    """A generator that sends more requests for more CPU time each misses its requirement."""
    result = measured([(700, 20)], [(100, 70)], Ratio(PEER, 5))
    (ratio,) = result.case.ratios
    assert result.verdict(ratio) == MISSED
    assert measured([(700, 20)], [(100, 70)], Ratio(PEER, 5, by=(RATE,))).passed


def test_a_generator_that_fails_has_no_ratio():
    """The others are measured on, and the case does not pass."""
    clock = Clock()

    def fail(_: object) -> dict[str, float]:
        raise MeasurementError("it ended")

    case = Case(
        "key",
        "title",
        {OURS: clock.measurement([(1, 1)]), PEER: fail},
        (Ratio(PEER, 5),),
        ours=OURS,
    )
    result = CaseResult(case)
    outcomes = list(measure_rounds(result, None, 100, lambda: clock.now_s))
    assert [name for _, name, _ in outcomes].count(PEER) == 1
    assert result.failed == {PEER: "it ended"}
    assert result.verdict(case.ratios[0]) == NO_VALUE
    assert not result.passed


def test_cases_share_the_time_by_their_generators():
    """A case that is measured once takes what it needs; saved time goes to the later ones."""

    def none(_: object) -> dict[str, float]:
        return {}

    three = Case("three", "", {"a": none, "b": none, "c": none}, ())
    once = Case("once", "", {"a": none}, (Limit("", ""),), once_s=20)
    one = Case("one", "", {"a": none}, ())
    assert case_deadline_s(1000, 1100, [three, once, one]) == 1060
    assert case_deadline_s(1010, 1100, [once, one]) == 1030
    assert case_deadline_s(1030, 1100, [one]) == 1100
    assert case_deadline_s(1200, 1100, [one]) == 1200


def test_an_interval_of_few_rounds_is_students():
    """Two rounds give an estimate only; log ratios of 1, 2 and 3 give 2 +- 2.920 / sqrt(3)."""
    assert interval([2, 2]).low is None
    three = interval([exp(1), exp(2), exp(3)])
    assert three.low is not None
    assert three.high is not None
    assert log(three.low) == pytest.approx(2 - 2.920 / sqrt(3))
    assert log(three.high) == pytest.approx(2 + 2.920 / sqrt(3))


def test_an_interval_of_five_rounds_is_that_of_the_signed_rank_test():
    """Five rounds give the least and the greatest ratio."""
    five = interval([1.9, 2.1, 2.0, 1.8, 2.2])
    assert (five.low, five.high) == pytest.approx((1.8, 2.2))
    assert str(five) == "2 (1.8-2.2)"


def test_each_requirement_is_below_its_goal():
    """A requirement for any machine is below the goal."""
    ratios = [each for case in CASES for each in case.ratios if each.goal is not None]
    assert ratios
    assert all(each.required is not None and each.required < each.goal for each in ratios)


def test_the_readme_names_each_bench_and_folder():
    """benchmarks/README.md has each script with a command line, and each folder."""
    folder = ROOT / "benchmarks"
    readme = (folder / "README.md").read_text()
    scripts = [each.name for each in folder.glob("*.py") if "argparse" in each.read_text()]
    folders = [f"{each.parent.name}/" for each in folder.glob("*/__main__.py")]
    assert len(scripts) > 5
    helpers = {"options.py", "output.py"}
    assert [name for name in {*scripts, *folders} - helpers if f"`{name}`" not in readme] == []


def test_the_page_shows_the_stored_results():
    """docs/speed.md has the tables of benchmarks/results/speed.json, and nothing else."""
    results = json.loads((ROOT / "benchmarks" / "results" / "speed.json").read_text())
    text = (ROOT / "docs" / "speed.md").read_text()
    assert results
    assert page.with_results(text, results) == text


@pytest.mark.parametrize(
    ("costs", "is_total", "verdict"),
    [
        ((40, 20, 22, 25), False, "flat"),
        ((20, 20, 22, 31), False, "bends"),
        ((300, 310, 400, 1400), True, "straight"),
        ((300, 310, 400, 2000), True, "bends"),
        ((300, 310, 400), True, "incomplete"),
    ],
)
def test_the_shape_of_a_curve(costs: tuple[float, ...], *, is_total: bool, verdict: str):
    """A cost may rise by half of a flat line, or of the slope of the sizes before."""
    curve = Curve("key", "title", "users", (1, 10, 100, 1_000), is_total)
    curve.points = {
        size: [{"cpu": cost, "memory_mb": 1.0}]
        for size, cost in zip(curve.sizes, costs, strict=False)
    }
    assert curve.verdict == verdict
    assert curve.bends == (verdict == "bends")


def test_the_picture_shows_the_stored_curves():
    """docs/curves.svg is drawn from benchmarks/results/curves.json."""
    curves = json.loads((ROOT / "benchmarks" / "results" / "curves.json").read_text())
    assert len(curves) == 5
    assert picture(curves) == (ROOT / "docs" / "curves.svg").read_text()


def profiled_rounds(share: float) -> list[dict[str, Load]]:
    """Rounds on a machine that gets slower, in which a profile takes a share of the time."""
    rounds = []
    for number in range(8):
        time_us = 1000.0 + 100 * number
        plain = Load(1e6 / time_us, 700.0, time_us, 0.0, 0)
        profiled = Load(1e6 / time_us, 707.0, time_us / (1 - share), 2.0, 200)
        rounds.append({WITHOUT: plain, BY_DEFAULT: profiled, REQUESTED: profiled})
    return rounds


@pytest.mark.parametrize(("share", "passed"), [(0.02, True), (0.04, False)])
def test_profiling_has_a_limit(share: float, *, passed: bool):
    """Each round is compared within itself; time in which the service is stopped costs as well."""
    rounds = profiled_rounds(share)
    by_cpu, by_time = (cost_percent(rounds, BY_DEFAULT, name) for name in ("cpu_us", "time_us"))
    assert by_cpu.middle == pytest.approx(1.0, abs=0.02)
    assert by_time.middle == pytest.approx(100 * share)
    assert is_cheap([by_cpu, by_time]) is passed


def test_two_rounds_show_nothing():
    """Without an interval, no cost is small enough."""
    assert not is_cheap([cost_percent(profiled_rounds(0.0)[:2], BY_DEFAULT, "time_us")])
