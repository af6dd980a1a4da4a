"""`straingauge export`, from a load to what HdrHistogram's own reader makes of the files."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from formats import whole
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # comes without types
from hdrh.log import HistogramLogReader  # type: ignore[import-untyped]  # the same
from straingauge.cli import main
from straingauge.recording import Recorder
from straingauge.result.assembly import compose, conclude
from straingauge.result.assembly.histograms import MAX_INTERVALS
from straingauge.result.format import write
from straingauge.verdict import Thresholds
from straingauge.workers import MergedReports, Report, RunMetadata

STARTED_AT_S = 1_767_225_600


def result_file(folder: Path, *, seconds: int = 10) -> Path:
    """The file of a run of two endpoints, which take 1, 2, 3 ... ms and ten times as long."""
    recorder = Recorder()
    quick = recorder.endpoint_sink("main", "GET /a b", 0)
    slow = recorder.endpoint_sink("main", "GET /slow", 0)
    for n in range(1000):
        at_ns = n * seconds * 1_000_000
        for sink, unit_ns in ((quick, 1_000_000), (slow, 10_000_000)):
            sent_ns = at_ns + 500_000
            sink.add(at_ns, sent_ns, sent_ns + 1, at_ns + (n % 100 + 1) * unit_ns, 200, None)
    metadata = RunMetadata(
        name="exported",
        started_at=datetime.fromtimestamp(STARTED_AT_S, UTC).isoformat(),
        configuration={},
        environment={},
    )
    report = Report("main", time.monotonic_ns(), 2000, recorder.snapshot().to_bytes())
    thresholds = Thresholds.parse({}, source="none")
    result, _ = conclude(compose(MergedReports((report,), metadata=metadata)), thresholds)
    return write(result, folder)


def export(*arguments: str) -> list[HdrHistogram]:
    """Read the exported file with HdrHistogram's reader."""
    done = CliRunner().invoke(main, ["export", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    reader = HistogramLogReader(done.output.strip(), None)
    try:
        return list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()


def test_each_endpoints_whole_run_is_read_back(tmp_path: Path):
    """Response and service times of each endpoint are there, each percentile within 0.5 %."""
    found = {unquote(each.get_tag()): each for each in export(str(result_file(tmp_path)))}
    assert found.keys() == {
        f"{name} {kind}" for name in ("GET /a b", "GET /slow") for kind in ("response", "service")
    }
    for tag, histogram in found.items():
        unit_ns = 10_000_000 if "slow" in tag else 1_000_000
        later_ns = 500_000 if tag.endswith("service") else 0
        assert histogram.get_total_count() == 1000
        for percent in (1, 50, 95, 99, 100):
            value = histogram.get_value_at_percentile(percent)
            assert value == pytest.approx(percent * unit_ns - later_ns, rel=0.005)
        assert histogram.get_start_time_stamp() == STARTED_AT_S * 1000
        assert histogram.get_end_time_stamp() > histogram.get_start_time_stamp()


@pytest.mark.parametrize(("seconds", "width_s"), [(10, 1), (1000, 16)])
def test_a_run_over_time_is_read_back(tmp_path: Path, seconds: int, width_s: int):
    """Each interval has its requests, none is missing, and a long run has no more of them."""
    found = export(str(result_file(tmp_path, seconds=seconds)), "--format", "log")
    assert len(found) <= MAX_INTERVALS
    assert sum(each.get_total_count() for each in found) == 2000
    starts = [each.get_start_time_stamp() - STARTED_AT_S * 1000 for each in found]
    assert starts == [n * width_s * 1000 for n in range(len(found))]
    assert max(each.get_max_value() for each in found) == pytest.approx(1e9, rel=0.001)


def test_the_output_folder_is_configurable(tmp_path: Path):
    """With -o the file goes to that folder, which is made where there is none."""
    file = result_file(tmp_path)
    export(str(file), "-o", str(tmp_path / "new" / "folder"))
    assert [each.name for each in (tmp_path / "new" / "folder").iterdir()] == [
        f"{file.stem}.hdr.hlog"
    ]


def test_a_result_without_response_times_is_an_error(tmp_path: Path):
    """Without response times there is nothing to export: an error and no file."""
    file = tmp_path / "mixed_20260101_000000.json"
    file.write_text(json.dumps(whole(endpoints={}, intervals=[])))
    for what in ("hdr", "log"):
        done = CliRunner().invoke(main, ["export", str(file), "--format", what])
        assert done.exit_code == 2
        assert "no request has a response time" in done.output
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path):
    """If the folder is a file, the error says so and what to do."""
    file = result_file(tmp_path)
    done = CliRunner().invoke(main, ["export", str(file), "-o", str(file / "below")])
    assert done.exit_code == 2
    assert "cannot write" in done.output
    assert "name another directory" in done.output
