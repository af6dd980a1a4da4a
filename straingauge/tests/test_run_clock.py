"""When a load started by the wall clock: in its result, and on the time axis of its charts."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from made_load import METADATA, START_NS, MadeLoad
from straingauge.observe import Observations
from straingauge.report.charts.clock import clock
from straingauge.result.assembly import compose
from straingauge.workers.run_clock import read_clocks, wall_time


def composed(started_ns: int | None) -> dict[str, Any]:
    """The result of a load that began five seconds after instant 0 of `time.monotonic_ns`."""
    load = MadeLoad()
    load.requests("p1", "GET /a", 3, 5)
    load.requests("p2", "GET /a", 1, 5)
    samples = [{"t_ns": START_NS + second * 1e9, "threads": 4.0} for second in (-2, 0, 1)]
    load.observations = Observations(samples, source="process")
    merged = load.merged(3.0)
    metadata = replace(METADATA, started_at="2026-11-28T23:59:58+05:30", started_ns=started_ns)
    return {**compose(replace(merged, metadata=metadata))}


def test_result_has_the_start_of_the_load():
    """A log-in of 3.25 s lies between the start of the run and that of the load."""
    result = composed(START_NS - 3_250_000_000)
    assert result["started_at"] == "2026-11-28T23:59:58+05:30"
    assert result["load_started_at"] == "2026-11-29T00:00:01.250+05:30"
    assert "load_started_at" not in composed(None)


def test_samples_count_from_the_start_of_the_load():
    """The time axis of the service's samples is that of the requests."""
    assert [row["t_s"] for row in composed(0)["resources"]["samples"]] == [-2.0, 0.0, 1.0]


def test_both_clocks_are_read_at_one_instant():
    """The instant of the start leads back to the time that it is now."""
    started_at, started_ns = read_clocks()
    now = datetime.now(UTC)
    now_ns = time.monotonic_ns()
    found = datetime.fromisoformat(wall_time(started_at, started_ns, now_ns))
    assert abs((found - now).total_seconds()) < 1
    assert found.utcoffset() == datetime.now().astimezone().utcoffset()


@pytest.mark.parametrize(
    ("offset", "zone"),
    [("+00:00", "UTC"), ("+01:00", "UTC+1"), ("+05:45", "UTC+5:45"), ("-03:30", "UTC-3:30")],
)
def test_axis_is_in_the_time_zone_of_the_run(offset: str, zone: str):
    """The axis has the clock time of the machine that ran the load, and says its offset."""
    found = clock({"load_started_at": f"1970-01-01T12:30:00.500{offset}"})
    assert found == {"start_s": 45_000.5, "zone": zone}


def test_results_without_a_start_have_no_clock_time():
    """An axis whose instants are not known stays one of seconds."""
    assert clock({"started_at": "2026-01-01T12:00:00+00:00"}) is None
