"""The second process that has the latest reports of a load, and what it makes of them."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from made_load import MadeLoad
from straingauge.runner.standby_process import last_frame, lost, write_result
from straingauge.workers import MergedReports
from straingauge.workers.standby import Standby

from straingauge import read_result

S = 1_000_000_000


def reports(at_s: float = 10.0) -> MergedReports:
    """Return the reports of 200 requests in 10 s."""
    load = MadeLoad()
    load.requests("p1", "GET /a", 200, 5)
    return load.merged(at_s)


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


def test_reports_become_a_result_that_says_its_loss(tmp_path: Path):
    """The written result is invalid, has all reported requests, and says how much is missing."""
    merged = reports()
    assert merged.metadata is not None
    merged = replace(merged, metadata=replace(merged.metadata, results_dir=tmp_path))
    path = write_result(merged, merged.reports[0].at_ns + S)
    assert path is not None
    result = read_result(path)
    assert result["metrics"]["total_requests"] == 200
    assert result["verdict"]["grade"] == "invalid"
    (reason,) = (r for r in result["validity"]["reasons"] if r["reason"] == "interrupted")
    assert "an estimated 20 samples, are missing, after 200 requests" in reason["message"]


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
