import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from formats import whole
from hypothesis import given
from hypothesis import strategies as st
from straingauge.cli import main
from straingauge.history import change_points
from straingauge.history.changes import LEVEL

FIRST = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
TRIALS = 60


def noisy(chance: random.Random, levels: list[float], outliers: float = 0.0) -> list[float]:
    """Return fifteen runs of each level with 5 % noise, some of which took twice as long."""
    return [
        level * chance.gauss(1, 0.05) * (2 if chance.random() < outliers else 1)
        for level in levels
        for _ in range(15)
    ]


def folder_of(path: Path, values: list[float], **changes: Any) -> Path:  # noqa: ANN401
    """Results of one test, a day apart, whose p95 are these."""
    path.mkdir(exist_ok=True)
    for number, value in enumerate(values):
        result = whole(started_at=(FIRST + timedelta(days=number)).isoformat(), **changes)
        result["metrics"]["latency_ms"]["p95"] = value
        result["environment"]["commit"] = {"id": f"{number:040x}", "modified": False}
        (path / f"{changes.get('name', 'mixed')}_{number}.json").write_text(json.dumps(result))
    return path


def history(*arguments: object) -> Result:
    """The command as a user starts it."""
    return CliRunner().invoke(main, ["history", *map(str, arguments)])


def test_where_nothing_changes_nothing_is_found():
    """Of hundreds of steady series with outliers hardly one is said to have changed."""
    chance = random.Random(1)
    series = (noisy(chance, [100.0, 100.0], outliers=0.1) for _ in range(TRIALS))
    assert sum(bool(change_points(each)) for each in series) <= 2 * LEVEL * TRIALS


def test_a_planted_step_is_found_where_it_is():
    """A step of 15 % in 5 % noise is found, and nearly always within two runs of its place."""
    chance = random.Random(2)
    found = [change_points(noisy(chance, [100.0, 115.0])) for _ in range(TRIALS)]
    right = sum(any(abs(at - 15) <= 2 for at in each) for each in found)
    assert all(found)
    assert right >= 0.95 * TRIALS


def test_outliers_hide_no_large_step():
    """With one run in ten twice as slow as it should be, a step of 25 % is mostly found."""
    chance = random.Random(2)
    series = (noisy(chance, [100.0, 125.0], outliers=0.1) for _ in range(TRIALS))
    assert sum(bool(change_points(each)) for each in series) >= 0.8 * TRIALS


def test_up_and_down_again_are_two_changes():
    """A level that came and went, as a regression and its repair, is found at both ends."""
    chance = random.Random(2)
    found = [change_points(noisy(chance, [100.0, 140.0, 100.0])) for _ in range(TRIALS)]
    right = sum(len(each) == 2 and abs(each[0] - 15) < 3 > abs(each[1] - 30) for each in found)
    assert right >= 0.9 * TRIALS


def test_the_plainest_change_takes_four_new_runs():
    """Ten runs of one level and four of another are enough; three may be outliers."""
    steady = [10.0 + number % 2 for number in range(20)]
    assert change_points([*steady[:10], 15.0, 15.0, 15.0, 15.0]) == [10]
    assert change_points([*steady, 15.0, 15.0]) == []


def test_one_outlier_is_no_change():
    """One or two runs that went wrong, however badly, make no new level."""
    values = [100.0 + number % 3 for number in range(30)]
    assert change_points([*values, 9999.0, 9999.0]) == []


@given(st.lists(st.floats(0, 1e6), max_size=40))
def test_changes_are_places_between_runs(values: list[float]):
    """For any values, changes come in order, within the series, and always the same."""
    found = change_points(values)
    assert found == sorted(set(found)) == change_points(values)
    assert all(3 <= at <= len(values) - 3 for at in found)


def test_a_change_is_shown_with_its_commit(tmp_path: Path):
    """The terminal says how much worse, since when and since which commit; the page marks it."""
    folder = folder_of(tmp_path / "results", [10.0 + n % 2 for n in range(10)] + [15.0] * 6)
    page = tmp_path / "history.html"
    shown = history(folder, "--metric", "p95_ms", "-o", page)
    assert shown.exit_code == 0, shown.output
    assert "mixed  16 runs, 2026-01-02 to 2026-01-17" in shown.output
    assert "p95_ms" in shown.output
    assert "▁▂▁▂▁▂▁▂▁▂│██████" in shown.output
    words = "worse: +43%, 10.5 to 15.0, since 2026-01-12 03:04 (commit 000000000)"
    assert words in shown.output
    text = page.read_text()
    assert f'<li class="worse">{words}</li>' in text
    assert text.count("<circle") == 16
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_more_throughput_is_better(tmp_path: Path):
    """Which way is better is the metric's own."""
    folder = folder_of(tmp_path / "results", [10.0] * 16)
    for number, file in enumerate(sorted(folder.iterdir(), key=lambda file: int(file.stem[6:]))):
        result = json.loads(file.read_text())
        result["metrics"]["throughput_rps"] = 100.0 if number < 8 else 200.0
        file.write_text(json.dumps(result))
    shown = history(folder)
    assert "better: +100%, 100 to 200" in shown.output
    assert "worse" not in shown.output


def test_what_cannot_be_compared_is_a_trend_of_its_own(tmp_path: Path):
    """Another machine is no change of the service: its runs stand apart, and it is said why."""
    folder = folder_of(tmp_path / "results", [10.0] * 10)
    other = whole()["environment"]
    other["machine"]["cpu_count"] = 64
    for number, file in enumerate(folder_of(tmp_path / "more", [5.0] * 10).iterdir()):
        result = json.loads(file.read_text()) | {"environment": other}
        (folder / f"other_{number}.json").write_text(json.dumps(result))
    shown = history(folder, "--metric", "p95_ms")
    assert shown.output.count("10 runs") == 2
    assert "separate from earlier runs: the machines differ: cpu_count was" in shown.output
    assert "better" not in shown.output


def test_a_copy_is_no_run(tmp_path: Path):
    """A result that lies in two folders is one run."""
    first, second = (folder_of(tmp_path / name, [10.0, 11.0]) for name in ("a", "b"))
    assert "mixed  2 runs" in history(first, second).output


def test_invalid_runs_and_broken_files_are_passed_over(tmp_path: Path):
    """A run that proves nothing is no point, and a file that is no result is named."""
    folder = folder_of(tmp_path / "results", [10.0, 11.0])
    reason = {"reason": "no_data", "severity": "invalid", "message": "nothing", "advice": ""}
    invalid = whole(validity={"valid": False, "reasons": [reason]})
    (folder / "invalid.json").write_text(json.dumps(invalid))
    (folder / "broken.json").write_text("{")
    shown = history(folder)
    assert "mixed  2 runs" in shown.output
    assert f"skipped  {folder / 'broken.json'}: not valid JSON" in shown.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "throughput"], "did you mean throughput_rps?"),
        (["--endpoint", "GET /none"], "no valid result has these metrics of GET /none"),
        (
            ["--endpoint", "GET /hello", "--metric", "cpu_percent"],
            "--metric cpu_percent: unknown metric",
        ),
        (["--test", "other"], "no valid result"),
    ],
)
def test_what_there_is_not_is_wrong_usage(tmp_path: Path, arguments: list[str], message: str):
    """A metric, an endpoint or a test that does not exist is an error, not an empty page."""
    shown = history(folder_of(tmp_path / "results", [10.0]), *arguments)
    assert shown.exit_code == 2
    assert message in shown.output


def test_an_endpoint_has_a_trend_too(tmp_path: Path):
    """The trend of one endpoint is shown by its name."""
    shown = history(folder_of(tmp_path / "results", [10.0] * 3), "--endpoint", "GET /hello")
    assert "mixed GET /hello  3 runs" in shown.output
    assert "cpu_percent" not in shown.output
