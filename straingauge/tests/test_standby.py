"""The second process that has the latest reports of a load, and what it makes of them."""

import pickle
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from formats import conforming
from made_load import MadeLoad
from straingauge.ab import Requests, RunningVariant, Trial, UnfinishedTrial, Variant
from straingauge.capacity import CapacityRun, Level, LevelSearch, UnfinishedSearch
from straingauge.runner.standby_process import decode, last_frame
from straingauge.runner.unfinished_load import UnfinishedLoad
from straingauge.workers import MergedReports
from straingauge.workers.standby import Standby, Unfinished

from straingauge import read_result

S = 1_000_000_000


def reports(at_s: float = 10.0) -> MergedReports:
    """Return the reports of 200 requests in 10 s."""
    load = MadeLoad()
    load.requests("p1", "GET /a", 200, 5)
    return load.merged(at_s)


def lost(merged: MergedReports, ended_ns: int) -> str:
    """Return what the second process says about the reports of a load."""
    return UnfinishedLoad(merged).lost(ended_ns)


def write(latest: MergedReports | Unfinished, ended_ns: int) -> Path:
    """Write a result as the second process does, from what was sent to it."""
    unfinished = decode(pickle.dumps(latest))
    path = unfinished.write_result(unfinished.lost(ended_ns))
    assert path is not None
    return path


def frame(content: bytes) -> bytes:
    """Return a frame."""
    return len(content).to_bytes(8, "big") + content


@pytest.mark.parametrize(
    ("received", "last"),
    [
        (b"", b""),
        (frame(b"one"), b"one"),
        (frame(b"one") + frame(b"two"), b"two"),
        (frame(b"one") + frame(b"two")[:-1], b"one"),
        (frame(b"one") + b"\0\0", b"one"),
        (frame(b"one") + frame(b""), b""),
        (frame(b"one") + frame(b"") + frame(b"two"), b"two"),
    ],
)
def test_last_complete_reports_count(received: bytes, last: bytes):
    """Reports that were torn by a kill are ignored; empty ones mean that the result was written."""
    assert last_frame(BytesIO(received)) == last


def test_loss_is_said_in_seconds_and_requests():
    """The loss is the time since the last report, at the rate until then; none after the load."""
    merged = reports()
    ended_ns = merged.reports[0].at_ns + S // 2
    assert "the last 0.5 s, with an estimated 10 samples, are missing" in lost(merged, ended_ns)
    over = replace(merged, load_end_ns=merged.reports[0].at_ns)
    assert "the last 0 s, with an estimated 0 samples" in lost(over, ended_ns)


def test_loss_of_processes_that_report_at_different_instants():
    """Each process lacks the time since its own report: 7 and 1 s of 10 s at 50 requests/s."""
    merged = reports()
    start_ns = merged.start_ns or 0
    first, second = (
        replace(report, at_ns=start_ns + seconds * S, requests=50 * seconds)
        for report, seconds in zip(merged.reports, (3, 9), strict=True)
    )
    merged = replace(merged, reports=(first, second))
    expected = "the last 7 s, with an estimated 400 samples"
    assert expected in lost(merged, start_ns + 10 * S)
    in_parts = replace(merged, reports=(first, first, second, second))  # as those of Locust
    assert expected in lost(in_parts, start_ns + 10 * S)


def test_reports_become_a_result_that_says_its_loss(tmp_path: Path):
    """The written result is invalid, has all reported requests, and says how much is missing."""
    merged = reports()
    assert merged.metadata is not None
    merged = replace(merged, metadata=replace(merged.metadata, results_dir=tmp_path))
    path = write(merged, merged.reports[0].at_ns + S)
    result = read_result(path)
    assert result["metrics"]["total_requests"] == 200
    assert result["verdict"]["grade"] == "invalid"
    (reason,) = (r for r in result["validity"]["reasons"] if r["reason"] == "interrupted")
    assert "an estimated 20 samples, are missing, after 200 requests" in reason["message"]


STARTED = datetime.fromisoformat("2026-11-28T12:00:00+01:00")
LEVEL = Level(
    *(10.0, "step"),
    passed=True,
    reasons=(),
    load_independent={},
    inconclusive=None,
    throughput_rps=9.5,
    concurrency=1.0,
    avg_ms=1.0,
    p50_ms=1.0,
    p95_ms=1.0,
    p99_ms=1.0,
    error_rate_percent=0.0,
    cpu_percent=None,
)


@pytest.mark.parametrize(
    ("unit", "levels", "said"),
    [
        ("/s", [], "the level of 20/s, begun 3 s before, is missing, with an estimated 60"),
        ("users", [LEVEL], "the level of 20 users, begun 3 s before, is missing, with an est"),
        ("users", [], "the level of 20 users, begun 3 s before, is missing, with an unknown"),
    ],
)
def test_levels_of_a_killed_search_are_kept(
    tmp_path: Path, unit: str, levels: list[Level], said: str
):
    """The file of a killed search has the levels that had ended, no capacity, and the loss."""
    run = CapacityRun(LevelSearch(10, 40), levels=[*levels])
    search = UnfinishedSearch(run, "trial", unit, STARTED, {}, tmp_path, tmp_path)
    begun = search.at_level(20.0, 5 * S)
    run.levels.append(LEVEL)  # it goes on
    found = conforming(write(begun, 8 * S))
    assert said in found["stopped_early"]
    assert (len(found["levels"]), found["capacity"]) == (len(levels), None)


def test_parts_of_a_killed_comparison_are_kept(tmp_path: Path):
    """The file of a killed comparison has the parts that had ended, judged, and the loss."""
    base, head = (RunningVariant(Variant(name, "."), "http://x") for name in ("base", "head"))
    requests = Requests(np.arange(20), np.full(20, 5.0), total=20)
    trial = Trial(0.05, 20, {"GET /": {"base": requests, "head": requests}})
    unfinished = UnfinishedTrial(
        *("trial", base, head, STARTED, {}, tmp_path, tmp_path), 10.0, 3.0, Trial()
    )
    found = conforming(write(unfinished.at_part(trial, 5 * S), 8 * S))
    # 40 requests in 20 pairs of slots of 50 ms each are 20/s.
    assert "the last 3 s, with an estimated 60 samples, are missing" in found["stopped_early"]
    assert found["endpoints"]["GET /"]["head"]["requests"] == 20
    assert found["comparison"]["changes"]
    nothing = unfinished.lost(3 * S)
    assert "the last 3 s, with an unknown number of samples, are missing" in nothing


def test_only_the_latest_reports_are_sent():
    """Reports that wait are replaced by later ones; after the result was written none is kept."""
    standby = Standby()
    standby._sender = _NoThread()  # type: ignore[assignment]
    standby.watch(replace(reports(), start_ns=None))
    standby.watch(reports(at_s=1.0))
    standby.watch(reports(at_s=2.0))
    content = standby._next_frame()
    assert content is not None
    assert len(content) > 0
    standby.watch(reports(at_s=3.0))
    standby.discard()
    assert standby._next_frame() == b""
    standby.close()
    assert standby._next_frame() is None


class _NoThread:
    """A sender that does nothing."""

    def join(self, timeout: float) -> None:
        """Return at once."""
