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


def noisy(random_source: random.Random, levels: list[float], outliers: float = 0.0) -> list[float]:
    """Return fifteen runs per level with 5 % noise and, as outliers, some twice as slow."""
    return [
        level * random_source.gauss(1, 0.05) * (2 if random_source.random() < outliers else 1)
        for level in levels
        for _ in range(15)
    ]


def write_results(path: Path, values: list[float], **changes: Any) -> Path:  # noqa: ANN401
    """Write results of one test, a day apart, with these p95 values."""
    path.mkdir(exist_ok=True)
    for number, value in enumerate(values):
        result = whole(started_at=(FIRST + timedelta(days=number)).isoformat(), **changes)
        result["metrics"]["latency_ms"]["p95"] = value
        result["environment"]["commit"] = {"id": f"{number:040x}", "modified": False}
        (path / f"{changes.get('name', 'mixed')}_{number}.json").write_text(json.dumps(result))
    return path


def history(*arguments: object) -> Result:
    """Run `straingauge history`."""
    return CliRunner().invoke(main, ["history", *map(str, arguments)])


def test_steady_series_have_no_change():
    """Few of many steady series with outliers have a change point."""
    random_source = random.Random(1)
    series = (noisy(random_source, [100.0, 100.0], outliers=0.1) for _ in range(TRIALS))
    assert sum(bool(change_points(each)) for each in series) <= 2 * LEVEL * TRIALS


def test_a_step_is_located():
    """A step of 15 % in 5 % noise is found, and nearly always within two runs of its place."""
    random_source = random.Random(2)
    found = [change_points(noisy(random_source, [100.0, 115.0])) for _ in range(TRIALS)]
    located = sum(any(abs(at - 15) <= 2 for at in each) for each in found)
    assert all(found)
    assert located >= 0.95 * TRIALS


def test_a_large_step_among_outliers_is_found():
    """With one run in ten twice as slow, a step of 25 % is mostly found."""
    random_source = random.Random(2)
    series = (noisy(random_source, [100.0, 125.0], outliers=0.1) for _ in range(TRIALS))
    assert sum(bool(change_points(each)) for each in series) >= 0.8 * TRIALS


def test_a_temporary_step_is_two_changes():
    """A level that lasts for fifteen runs, as a regression and its fix, is found at both ends."""
    random_source = random.Random(2)
    found = [change_points(noisy(random_source, [100.0, 140.0, 100.0])) for _ in range(TRIALS)]
    located = sum(len(each) == 2 and abs(each[0] - 15) < 3 > abs(each[1] - 30) for each in found)
    assert located >= 0.9 * TRIALS


def test_a_clear_change_needs_four_runs():
    """Ten runs of one level and four of another are enough; two may be outliers."""
    steady = [10.0 + number % 2 for number in range(20)]
    assert change_points([*steady[:10], 15.0, 15.0, 15.0, 15.0]) == [10]
    assert change_points([*steady, 15.0, 15.0]) == []


def test_outliers_are_no_change():
    """Two extreme runs make no new level."""
    values = [100.0 + number % 3 for number in range(30)]
    assert change_points([*values, 9999.0, 9999.0]) == []


@given(st.lists(st.floats(0, 1e6), max_size=40))
def test_change_points_are_within_the_series(values: list[float]):
    """For any values, change points are ordered, within the series and deterministic."""
    found = change_points(values)
    assert found == sorted(set(found)) == change_points(values)
    assert all(3 <= at <= len(values) - 3 for at in found)


def test_a_change_is_shown_with_its_commit(tmp_path: Path):
    """The terminal shows size, date and commit of a change, and the page marks it."""
    folder = write_results(tmp_path / "results", [10.0 + n % 2 for n in range(10)] + [15.0] * 6)
    page = tmp_path / "history.html"
    shown = history(folder, "--metric", "p95_ms", "-o", page)
    assert shown.exit_code == 0, shown.output
    assert "mixed  16 runs, 2026-01-02 to 2026-01-17" in shown.output
    assert "p95_ms" in shown.output
    assert "▁▂▁▂▁▂▁▂▁▂│██████" in shown.output
    description = "worse: +43%, 10.5 to 15.0, since 2026-01-12 03:04 (commit 000000000)"
    assert description in shown.output
    text = page.read_text()
    assert f'<li class="worse">{description}</li>' in text
    assert text.count("<circle") == 16
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_few_runs_say_how_many_are_needed(tmp_path: Path):
    """A trend too short to find a change says how many runs that takes."""
    shown = history(write_results(tmp_path / "results", [10.0]))
    assert "mixed  1 run of about 14 needed to find a change, 2026-01-02" in shown.output


def test_metrics_without_a_shift_are_folded(tmp_path: Path):
    """The page opens with what shifted, with unit, dates and commits; the rest is one line."""
    page = tmp_path / "history.html"
    folder = write_results(tmp_path / "results", [10.0 + n % 2 for n in range(10)] + [15.0] * 6)
    assert history(folder, "-o", page).exit_code == 0
    text = page.read_text()
    shifted, _, steady = text.partition('<details class="steady"><summary>No significant shift: ')
    assert "<h3>p95_ms <small>latest 15.0 ms, between 10.0 and 15.0 ms</small></h3>" in shifted
    assert shifted.count("<h3>") == 1
    assert '<p class="sentence">mixed p95_ms: worse: +' in shifted.partition("<main>")[0]
    assert "p50_ms " in steady.partition("</summary>")[0]
    assert ">2026-01-02</text>" in shifted  # the first run
    assert ">2026-01-12</text>" in shifted  # the shift
    assert f">{10:040x}"[:10] + "</text>" in shifted
    assert ">2026-01-17</text>" in shifted  # the last run


def test_few_runs_have_no_headline_of_shifts(tmp_path: Path):
    """The page of too few runs does not say that nothing shifted."""
    page = tmp_path / "history.html"
    history(write_results(tmp_path / "results", [10.0] * 4), "-o", page)
    assert "<h1>Too few runs to find a shift: 4 of about 14 needed</h1>" in page.read_text()


def test_higher_throughput_is_better(tmp_path: Path):
    """Each metric defines which direction is better."""
    folder = write_results(tmp_path / "results", [10.0] * 16)
    for number, file in enumerate(sorted(folder.iterdir(), key=lambda file: int(file.stem[6:]))):
        result = json.loads(file.read_text())
        result["metrics"]["throughput_rps"] = 100.0 if number < 8 else 200.0
        file.write_text(json.dumps(result))
    shown = history(folder)
    assert "better: +100%, 100 to 200" in shown.output
    assert "worse" not in shown.output


def test_runs_on_another_machine_are_a_separate_trend(tmp_path: Path):
    """Runs on another machine are shown separately, with the reason."""
    folder = write_results(tmp_path / "results", [10.0] * 10)
    other = whole()["environment"]
    other["machine"]["cpu_count"] = 64
    for number, file in enumerate(write_results(tmp_path / "more", [5.0] * 10).iterdir()):
        result = json.loads(file.read_text()) | {"environment": other}
        (folder / f"other_{number}.json").write_text(json.dumps(result))
    shown = history(folder, "--metric", "p95_ms")
    assert shown.output.count("10 runs") == 2
    assert "separate from earlier runs: the machines differ: cpu_count was" in shown.output
    assert "better" not in shown.output


def test_copies_are_counted_once(tmp_path: Path):
    """A result that is in two folders is one run."""
    first, second = (write_results(tmp_path / name, [10.0, 11.0]) for name in ("a", "b"))
    assert "mixed  2 runs" in history(first, second).output


def test_invalid_runs_and_broken_files_are_skipped(tmp_path: Path):
    """An invalid run is no point of the trend, and a file that is no result is named."""
    folder = write_results(tmp_path / "results", [10.0, 11.0])
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
        (["--test", "other"], "there is no result of that load test\n  try: there are: mixed"),
    ],
)
def test_unknown_names_are_refused(tmp_path: Path, arguments: list[str], message: str):
    """An unknown metric, endpoint or test is an error, not an empty page."""
    shown = history(write_results(tmp_path / "results", [10.0]), *arguments)
    assert shown.exit_code == 2
    assert message in shown.output


def test_the_trend_of_an_endpoint(tmp_path: Path):
    """With --endpoint the metrics of one endpoint are shown."""
    shown = history(write_results(tmp_path / "results", [10.0] * 3), "--endpoint", "GET /hello")
    assert "mixed GET /hello  3 runs" in shown.output
    assert "cpu_percent" not in shown.output
