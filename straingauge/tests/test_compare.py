import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from simulated_results import MACHINE, simulate
from straingauge.cli import main
from straingauge.compare import Change, Comparison, FailOn, compare, markdown, table, verdict_of
from straingauge.compare.sample import design_effect, interval_samples
from straingauge.errors import InvalidRun, UsageError
from straingauge.result.format import write


def verdicts(comparison: Comparison, endpoint: str = "") -> dict[str, str]:
    """Return the verdict on each metric of one endpoint."""
    return {each.metric: each.verdict for each in comparison.changes if each.endpoint == endpoint}


@pytest.mark.parametrize("variation", [0.0, 0.1])
def test_equal_runs_do_not_differ(variation: float):
    """In ten pairs of runs of one service nothing is worse or better, however much seconds vary."""
    for seed in range(10):
        runs = (simulate(seed + shift, variation=variation, requests=500) for shift in (100, 900))
        comparison = compare(*runs)
        assert not comparison.count("worse")
        assert not comparison.count("better")


def test_correlated_requests_count_for_less():
    """The design effect grows with the correlation of a second's requests, and is at least 1."""
    low, high = (
        design_effect(interval_samples(simulate(3, variation=spread))) for spread in (0.0, 0.3)
    )
    assert 1 <= low < 4
    assert high > 3 * low
    assert design_effect([]) == 1


def test_a_run_is_the_same_as_itself():
    """With enough samples and a large enough margin, equal metrics are the same."""
    comparison = compare(simulate(1), simulate(1), margin_percent=12)
    assert verdicts(comparison, "GET /a") == {
        **dict.fromkeys(("p50 ms", "p95 ms", "avg ms", "errors %"), "same"),
        "p99 ms": "inconclusive",
    }


def test_a_slower_endpoint_is_worse_and_the_others_are_not():
    """An endpoint that is 20 % slower is worse in each of five pairs, and the others are not."""
    for seed in range(5):
        comparison = compare(simulate(seed), simulate(50 + seed, times={"GET /a": 1.2}))
        assert verdicts(comparison, "GET /a")["p50 ms"] == "worse"
        for other in ("GET /b", "POST /c"):
            assert "worse" not in verdicts(comparison, other).values()


def test_a_faster_endpoint_is_better():
    """An endpoint that is 20 % faster is better, and the change has its interval."""
    comparison = compare(simulate(1), simulate(2, times={"POST /c": 0.8}))
    change = next(each for each in comparison.changes if each.endpoint == "POST /c")
    assert change.verdict == "better"
    assert change.change == pytest.approx(-20, abs=4)
    assert change.low is not None
    assert change.high is not None
    assert change.low < -20 < change.high


def test_more_errors_are_worse():
    """Error rates are compared in percentage points; 2 % after 0 % is worse."""
    comparison = compare(simulate(1), simulate(2, failing={"POST /c": 50}))
    assert verdicts(comparison, "POST /c")["errors %"] == "worse"
    assert verdicts(comparison, "GET /a")["errors %"] == "same"


@pytest.mark.parametrize(("old", "new"), [(0.0, 0.0), (0.0, 0.3), (0.3, 0.0)])
def test_constant_times_have_intervals(old: float, new: float):
    """Response times that are all equal, such as those of timeouts, are compared as others are."""
    comparison = compare(simulate(1, spread=old), simulate(2, spread=new))
    changes = {each.metric: each for each in comparison.changes if each.endpoint == "GET /a"}
    assert changes["p50 ms"].low is not None
    if old == new:
        assert changes["p50 ms"].verdict == "same"
    slower = compare(simulate(1, spread=0.0), simulate(2, spread=0.0, times={"GET /a": 1.2}))
    assert verdicts(slower, "GET /a")["p50 ms"] == "worse"


def test_an_outage_lowers_the_throughput():
    """Seconds without a request count as such, so that an outage lowers the throughput."""
    runs = simulate(1), simulate(2, outage=(6.0, 14.0))
    comparison = compare(*runs)
    throughput = next(each for each in comparison.changes if each.metric == "throughput /s")
    assert throughput.low is not None
    assert throughput.low < -40 < throughput.high
    assert compare(runs[1], runs[1]).changes[0].low is not None


def test_too_few_samples_are_inconclusive():
    """A percentile with too few samples has no verdict, and the reason is given."""
    few = [simulate(seed, requests=60) for seed in (1, 2)]
    change = next(
        c for c in compare(*few).changes if (c.endpoint, c.metric) == ("GET /a", "p99 ms")
    )
    assert change.verdict == "inconclusive"
    assert change.reason is not None
    assert "too few for p99" in change.reason


def test_an_endpoint_in_one_run_only():
    """An endpoint that one run did not call has a row that says so."""
    old, new = simulate(1), simulate(2)
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
def test_the_whole_interval_decides_the_verdict(
    low: float | None,
    high: float | None,
    higher_is_better: bool,  # noqa: FBT001
    verdict: str,
):
    """Beyond the margin is worse or better, within it the same; all else is inconclusive."""
    assert verdict_of(low, high, 5, higher_is_better=higher_is_better) == verdict


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "other"}, "of different tests: simulated and other"),
        ({"schema_version": 99}, "schemas differ: version 1 and 99"),
        ({"configuration": {"users": 9}}, "the setting users was 4 and is 9"),
        ({"environment": {"machine": MACHINE | {"cpu_count": 8}}}, "cpu_count was 2 and is 8"),
        ({"environment": {"machine": MACHINE | {"memory_mb": 9}}}, "memory was 8000 MB and is 9"),
        ({"endpoints": {}}, "no endpoint in common"),
    ],
)
def test_different_conditions_are_refused(changes: dict[str, Any], message: str):
    """Another test, setting, machine or schema is refused with the difference."""
    with pytest.raises(UsageError, match=message):
        compare(simulate(1), simulate(2, **changes))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("http://localhost:8000", "http://127.0.0.1:8001", None),
        ("http://[::1]:8000", "http://app.localhost", None),
        ("http://localhost", "http://192.0.2.1", "target was localhost and is 192.0.2.1"),
    ],
)
def test_targets_are_compared_by_their_host(before: str, after: str, message: str | None):
    """All names of loopback are one target, at any port; another host is another one."""
    runs = [
        simulate(seed, configuration={"users": 4, "target": target})
        for seed, target in enumerate((before, after))
    ]
    with pytest.raises(UsageError, match=message) if message else nullcontext():
        compare(*runs)


def test_usable_cpus_are_compared_where_both_results_have_them():
    """Another affinity or quota of the generator is another machine; older results have none."""
    machines = [{"environment": {"machine": MACHINE | {"usable_cpus": n}}} for n in (1, 2)]
    with pytest.raises(UsageError, match="usable_cpus was 1 and is 2"):
        compare(simulate(1, **machines[0]), simulate(2, **machines[1]))
    compare(simulate(1), simulate(2, **machines[1]))


def test_kernel_patch_level_is_a_remark():
    """Runs on two patch levels of one kernel are compared, with a remark; others are not."""
    old, new, other = (
        {"environment": {"machine": MACHINE | {"system": f"Linux {release}"}}}
        for release in ("6.8.0-1021-azure", "6.8.0-1022-azure", "6.11.0-1001-azure")
    )
    compared = compare(simulate(1, **old), simulate(2, **new))
    assert (
        "the system was Linux 6.8.0-1021-azure and is Linux 6.8.0-1022-azure" in compared.warnings
    )
    with pytest.raises(UsageError, match="system was Linux 6"):
        compare(simulate(1, **old), simulate(2, **other))


@pytest.mark.parametrize("base_is_failing", [False, True])
def test_times_of_errors_are_no_change_of_speed(base_is_failing: bool):  # noqa: FBT001  a parameter
    """If a share of errors appears or ends, only the error rate is judged, not times and rate."""
    fine = simulate(1)
    failing = simulate(2, failing={"GET /a": 2}, times={"GET /a": 0.02})
    runs = (failing, fine) if base_is_failing else (fine, failing)
    found = verdicts(compare(*runs), "GET /a")
    assert found.pop("errors %") == ("better" if base_is_failing else "worse")
    assert set(found.values()) == {"inconclusive"}
    assert verdicts(compare(*runs), "GET /b")["errors %"] == "same"


def test_an_invalid_run_is_refused():
    """Comparing an invalid run raises InvalidRun with the reason."""
    validity = {"reasons": [{"severity": "invalid", "message": "generator was late"}]}
    with pytest.raises(InvalidRun, match="the new run is invalid: generator was late"):
        compare(simulate(1), simulate(2, validity=validity))


def test_a_forced_comparison_has_a_warning():
    """A forced comparison keeps its warning in every format."""
    comparison = compare(simulate(1), simulate(2, configuration={"users": 9}), force=True)
    assert "the setting users was 4 and is 9" in comparison.warnings
    assert "users was 4 and is 9" in table(comparison, width=100, colour=False)
    assert "users was 4 and is 9" in markdown(comparison)


def test_results_without_histograms_are_refused():
    """A result without histograms gives no interval, and so no comparison."""
    old = simulate(1)
    del old["endpoints"]["GET /a"]["histograms_ns"]
    with pytest.raises(UsageError, match="GET /a has no histogram"):
        compare(old, simulate(2))


@pytest.mark.parametrize("text", ["wors", "worse:", "worse:5", "worse:-1%", "better%", ""])
def test_an_invalid_condition_is_refused(text: str):
    """--fail-on takes a verdict with an optional percentage, and the hint has an example."""
    with pytest.raises(UsageError, match="is not a condition") as error:
        FailOn.parse(text)
    assert error.value.hint is not None
    assert "worse:5%" in error.value.hint


def test_a_condition_with_a_percentage():
    """worse:N% fails if the interval is worse by more than N %, and worse at any worse verdict."""
    change = Change("GET /a", "p50 ms", 10, 11.2, 12, 8, 16, "%", margin=5)
    failing = {text: FailOn.parse(text).failed([change]) for text in ("worse", "worse:7%")}
    assert failing == {"worse": [change], "worse:7%": [change]}
    assert FailOn.parse("worse:9 %").failed([change]) == []
    assert FailOn.parse("inconclusive").failed([change]) == []


class TestCommand:
    """`straingauge compare`."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[str, str]:
        """Write an old result, and a new one in which GET /a is 20 % slower."""
        old, new = simulate(1), simulate(2, times={"GET /a": 1.2})
        return str(write(old, tmp_path)), str(write(new, tmp_path))

    def test_shows_a_table(self, files: tuple[str, str]):
        """Each endpoint's metrics are shown with their intervals, and the worst in one line."""
        done = CliRunner().invoke(main, ["compare", *files])
        assert done.exit_code == 1  # as `ab`
        for text in ("GET /a", "p95 ms", "worse", "inconclusive", "worst: GET /a"):
            assert text in done.output

    def test_fails_on_a_condition(self, files: tuple[str, str]):
        """With --fail-on, a matching change gives exit code 1, and is named."""
        done = CliRunner().invoke(main, ["compare", *files, "--fail-on", "worse:5%"])
        assert done.exit_code == 1
        assert "failed   worse: GET /a p50 ms" in done.stderr
        done = CliRunner().invoke(main, ["compare", *files, "--fail-on", "worse:90%"])
        assert done.exit_code == 0

    def test_writes_json(self, files: tuple[str, str]):
        """--json prints a document with each change and its verdict."""
        document = json.loads(CliRunner().invoke(main, ["compare", *files, "--json"]).stdout)
        assert document["verdicts"]["worse"] >= 1
        worse = [each for each in document["changes"] if each["verdict"] == "worse"]
        assert {"GET /a"} == {each["endpoint"] for each in worse if each["endpoint"]}

    def test_writes_markdown_for_a_pull_request(
        self, files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """--markdown shows changes first, and GitHub's job summary gets the same text."""
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
        done = CliRunner().invoke(main, ["compare", *files, "--markdown"])
        assert "| GET /a p50 ms |" in done.stdout.partition("<details>")[0]
        assert (tmp_path / "summary.md").read_text() == done.stdout

    def test_an_unwritable_summary_changes_no_exit_code(
        self, files: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """A job summary that cannot be written is a warning, and changes nothing else."""
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "folder"))
        done = CliRunner().invoke(main, ["compare", *files])
        assert done.exit_code == 1
        assert "::warning title=job summary::not written: " in done.stderr

    @pytest.mark.parametrize("content", ["", '{"schema_version": 1, "na', "[]", "{}"])
    def test_refuses_a_damaged_file(self, files: tuple[str, str], tmp_path: Path, content: str):
        """A file that is empty, truncated or no result is named, and the exit code is 2."""
        damaged = tmp_path / "damaged.json"
        damaged.write_text(content)
        done = CliRunner().invoke(main, ["compare", files[0], str(damaged)])
        assert done.exit_code == 2
        assert f"straingauge: {damaged}: " in done.stderr
