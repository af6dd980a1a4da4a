"""A load from four machines: what `namespace_run.py` shows, held."""

from pathlib import Path

import namespace_run
import pytest


def test_killed_worker_on_a_machine_of_its_own(tmp_path: Path):
    """Of four machines one dies: nothing is lost but what it had not reported, and that is said."""
    if why := namespace_run.missing():
        pytest.skip(why)
    rows, result = namespace_run.play(tmp_path, seconds=5)
    assert all(row.told for row in rows), namespace_run.table(rows)
    assert [row.at_most is not None for row in rows] == [False, True, False]
    assert result["metrics"]["total_requests"] == sum(row.recorded for row in rows)
    # Each clock is far from the others', and yet all stand on one time.
    assert all(abs(row.offset_s - row.ahead_s) < 1 for row in rows)
    assert result["metrics"]["duration_s"] < 60
