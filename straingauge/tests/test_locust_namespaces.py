"""The assertions of `namespace_run.py`: a load from four machines, one of which dies."""

from pathlib import Path

import namespace_run
import pytest

pytestmark = pytest.mark.e2e


def test_killed_worker_on_another_machine(tmp_path: Path):
    """Only unreported requests of the killed worker are missing, and the result says so."""
    if why := namespace_run.missing():
        pytest.skip(why)
    rows, result = namespace_run.run(tmp_path, seconds=5)
    assert all(row.is_accounted_for for row in rows), namespace_run.table(rows)
    assert [row.max_lost is not None for row in rows] == [False, True, False]
    assert result["metrics"]["total_requests"] == sum(row.recorded for row in rows)
    # The clocks differ widely, and yet all requests are on one timeline.
    assert all(abs(row.offset_s - row.true_offset_s) < 1 for row in rows)
    assert result["metrics"]["duration_s"] < 60
