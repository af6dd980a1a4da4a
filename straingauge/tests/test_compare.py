import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from simulated_results import MACHINE, simulated
from straingauge.cli import main
from straingauge.compare import Change, Comparison, FailOn, compare, markdown, table, verdict_of
from straingauge.compare.sample import design_effect, interval_samples
from straingauge.errors import InvalidRun, UsageError
from straingauge.result.format import write


def verdicts(comparison: Comparison, endpoint: str = "") -> dict[str, str]:
    """The verdict on each figure of one endpoint."""
    return {each.metric: each.verdict for each in comparison.changes if each.endpoint == endpoint}


@pytest.mark.parametrize("restless", [0.0, 0.1])
def test_two_runs_of_the_same_differ_in_nothing(restless: float):
    """Of ten pairs of runs of one service none is worse or better, however restless its seconds."""
    for seed in range(10):
        runs = (simulated(seed + shift, restless=restless, requests=500) for shift in (100, 900))
        comparison = compare(*runs)
        assert not comparison.count("worse")
        assert not comparison.count("better")


def test_requests_of_one_second_count_for_less():
    """The more alike the requests of a second are, the less all of them say; else all count."""
    calm, restless = (
        design_effect(interval_samples(simulated(3, restless=spread))) for spread in (0.0, 0.3)
    )
    assert 1 <= calm < 4
    assert restless > 3 * calm
    assert design_effect([]) == 1


def test_a_run_is_the_same_as_itself():
    """With enough samples and a margin that allows it, what is alike is called the same."""
    comparison = compare(simulated(1), simulated(1), margin_percent=12)
    assert verdicts(comparison, "GET /a") == {
        **dict.fromkeys(("p50 ms", "p95 ms", "avg ms", "errors %"), "same"),
        "p99 ms": "inconclusive",
    }


def test_a_slower_endpoint_is_worse_and_the_others_are_not():
    """A fifth more in one endpoint is found there, in each of five pairs, and not elsewhere."""
    for seed in range(5):
        comparison = compare(simulated(seed), simulated(50 + seed, times={"GET /a": 1.2}))
        assert verdicts(comparison, "GET /a")["p50 ms"] == "worse"
        for other in ("GET /b", "POST /c"):
            assert "worse" not in verdicts(comparison, other).values()


def test_a_quicker_endpoint_is_better():
    """A fifth less is better, and its change says by how much."""
    comparison = compare(simulated(1), simulated(2, times={"POST /c": 0.8}))
    change = next(each for each in comparison.changes if each.endpoint == "POST /c")
    assert change.verdict == "better"
    assert change.change == pytest.approx(-20, abs=4)
    assert change.low is not None
    assert change.high is not None
    assert change.low < -20 < change.high


def test_more_errors_are_worse():
    """An error rate is compared in points, and one from 0 to 2 % is worse."""
    comparison = compare(simulated(1), simulated(2, failing={"POST /c": 50}))
    assert verdicts(comparison, "POST /c")["errors %"] == "worse"
    assert verdicts(comparison, "GET /a")["errors %"] == "same"


def test_too_few_samples_tell_nothing():
    """A percentile with too few samples has no verdict, and the reason is given."""
    few = [simulated(seed, requests=60) for seed in (1, 2)]
    change = next(
        c for c in compare(*few).changes if (c.endpoint, c.metric) == ("GET /a", "p99 ms")
    )
    assert change.verdict == "inconclusive"
    assert change.reason is not None
    assert "too few for p99" in change.reason


def test_an_endpoint_that_only_one_run_called_is_named():
    """An endpoint that one run did not call has a row that says so."""
    old, new = simulated(1), simulated(2)
    del new["endpoints"]["GET /b"]
    (change,) = [each for each in compare(old, new).changes if each.endpoint == "GET /b"]
    assert (change.verdict, change.reason) == ("inconclusive", "not called in the new run")


@pytest.mark.parametrize(
    ("low", "high", "higher_is_better", "verdict"),
    [
        (6, 9, False, "worse"),
        (6, 9, True, "better"),
        (-9, -6, False, "better"),
        (-9, -6, True, "worse"),
        (-4, 4, False, "same"),
        (2, 9, False, "inconclusive"),
        (-9, 9, True, "inconclusive"),
        (None, None, False, "inconclusive"),
    ],
)
def test_a_verdict_is_by_the_whole_interval(
    low: float | None,
    high: float | None,
    higher_is_better: bool,  # noqa: FBT001
    verdict: str,
):
    """Beyond the margin is worse or better, within it the same, and all else is inconclusive."""
    assert verdict_of(low, high, 5, higher_is_better=higher_is_better) == verdict


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"name": "other"}, "of different tests: simulated and other"),
        ({"schema_version": 99}, "schemas differ: version 1 and 99"),
        ({"configuration": {"users": 9}}, "the setting users was 4 and is 9"),
        ({"environment": {"machine": MACHINE | {"cpu_count": 8}}}, "cpu_count was 2 and is 8"),
        ({"environment": {"machine": MACHINE | {"memory_mb": 9}}}, "memory was 8000 MB and is 9"),
        ({"endpoints": {}}, "no endpoint in common"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes: dict[str, Any], why: str):
    """Another test, setting, machine or schema is a refusal that says which."""
    with pytest.raises(UsageError, match=why):
        compare(simulated(1), simulated(2, **changes))


def test_an_invalid_run_is_refused():
    """A run that proves nothing is compared with nothing, and the exit code says so."""
    validity = {"reasons": [{"severity": "invalid", "message": "generator was late"}]}
    with pytest.raises(InvalidRun, match="the new run is invalid: generator was late"):
        compare(simulated(1), simulated(2, validity=validity))


def test_anyway_compares_with_a_warning():
    """A forced comparison keeps its warning in every format."""
    comparison = compare(simulated(1), simulated(2, configuration={"users": 9}), force=True)
    assert "the setting users was 4 and is 9" in comparison.warnings
    assert "users was 4 and is 9" in table(comparison, width=100, colour=False)
    assert "users was 4 and is 9" in markdown(comparison)


def test_results_without_histograms_are_refused():
    """A result that kept no histograms gives no interval, and so no comparison."""
    old = simulated(1)
    del old["endpoints"]["GET /a"]["histograms_ns"]
    with pytest.raises(UsageError, match="GET /a has no histogram"):
        compare(old, simulated(2))


@pytest.mark.parametrize("text", ["wors", "worse:", "worse:5", "worse:-1%", "better%", ""])
def test_a_condition_that_means_nothing_is_refused(text: str):
    """--fail-on takes a verdict with a percentage, and shows how to write one."""
    with pytest.raises(UsageError, match="is not a condition") as refused:
        FailOn.parse(text)
    assert refused.value.hint is not None
    assert "worse:5%" in refused.value.hint


def test_a_condition_with_a_percentage_asks_for_that_much():
    """worse:N% fails on what is surely worse by more than N %, plain worse on all that is worse."""
    change = Change("GET /a", "p50 ms", 10, 11.2, 12, 8, 16, "%", margin=5)
    failing = {text: FailOn.parse(text).failed([change]) for text in ("worse", "worse:7%")}
    assert failing == {"worse": [change], "worse:7%": [change]}
    assert FailOn.parse("worse:9 %").failed([change]) == []
    assert FailOn.parse("inconclusive").failed([change]) == []


class TestCommand:
    """`straingauge compare`."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[str, str]:
        """An old result, and a new one in which GET /a is a fifth slower."""
        old, new = simulated(1), simulated(2, times={"GET /a": 1.2})
        return str(write(old, tmp_path)), str(write(new, tmp_path))

    def test_shows_a_table(self, files: tuple[str, str]):
        """Each endpoint's changes are shown with their intervals, and the worst in one line."""
        answer = CliRunner().invoke(main, ["compare", *files])
        assert answer.exit_code == 0
        for words in ("GET /a", "p95 ms", "worse", "inconclusive", "worst: GET /a"):
            assert words in answer.output

    def test_fails_when_told_to(self, files: tuple[str, str]):
        """--fail-on makes what is worse an exit code of 1, and names it."""
        answer = CliRunner().invoke(main, ["compare", *files, "--fail-on", "worse:5%"])
        assert answer.exit_code == 1
        assert "failed   worse: GET /a p50 ms" in answer.stderr
        answer = CliRunner().invoke(main, ["compare", *files, "--fail-on", "worse:90%"])
        assert answer.exit_code == 0

    def test_writes_json(self, files: tuple[str, str]):
        """--json is the same as a document with each change and its verdict."""
        document = json.loads(CliRunner().invoke(main, ["compare", *files, "--json"]).output)
        assert document["verdicts"]["worse"] >= 1
        worse = [each for each in document["changes"] if each["verdict"] == "worse"]
        assert {"GET /a"} == {each["endpoint"] for each in worse if each["endpoint"]}

    def test_writes_markdown_for_a_pull_request(
        self, files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """--markdown shows what changed first; GitHub's summary gets the same."""
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        answer = CliRunner().invoke(main, ["compare", *files, "--markdown"])
        assert "| GET /a p50 ms |" in answer.output.partition("<details>")[0]
        assert (tmp_path / "summary.md").read_text() == answer.output

    @pytest.mark.parametrize("content", ["", '{"schema_version": 1, "na', "[]", "{}"])
    def test_refuses_a_damaged_file(self, files: tuple[str, str], tmp_path: Path, content: str):
        """A file that is empty, cut off or no result is named, and the exit code is 2."""
        damaged = tmp_path / "damaged.json"
        damaged.write_text(content)
        answer = CliRunner().invoke(main, ["compare", files[0], str(damaged)])
        assert answer.exit_code == 2
        assert f"straingauge: {damaged}: " in answer.stderr
