"""Lines whose memory grows with the requests are distinguished from what fills up once."""

import sys
import tracemalloc

import pytest
from diagnosis_results import first, healthy
from straingauge.inside.probe.sitecustomize import memory
from straingauge.profile.memory_growth import (
    Line,
    MemorySnapshot,
    growing_lines,
    read_memory,
)
from straingauge.profile.own_code import OwnCode

LEAK, CACHE, POOL, COUNTER = (("app/store.py", line) for line in (10, 20, 30, 40))
LIBRARY = "/usr/lib/python3.11/site-packages/orm/rows.py"


def at(requests: int, **in_use: int) -> MemorySnapshot:
    """A snapshot with the memory in use at four lines."""
    lines: dict[str, Line] = {"leak": LEAK, "cache": CACHE, "pool": POOL, "counter": COUNTER}
    return MemorySnapshot(requests, {lines[name]: amount for name, amount in in_use.items()})


def test_only_steady_growth_is_a_leak():
    """A cache that fills up, a pool of a fixed size and small counters are none."""
    found = growing_lines(
        [
            at(100, leak=1_000_000, cache=5_000_000, pool=800_000, counter=1_000),
            at(200, leak=6_000_000, cache=9_000_000, pool=800_000, counter=2_000),
            at(300, leak=11_000_000, cache=9_500_000, pool=800_000, counter=3_000),
        ]
    )
    file, line = LEAK
    assert found == [
        {"file": file, "line": line, "bytes_per_request": 50_000.0, "grown_bytes": 10_000_000}
    ]


def test_without_requests_nothing_is_found():
    """A service that answered nothing has no growth per request."""
    assert growing_lines([at(5, leak=1), at(5, leak=10_000), at(5, leak=20_000)]) == []


def test_memory_belongs_to_the_line_of_the_service():
    """Memory of a library counts for the line of the service's own code that called it."""
    content = {
        "allocations": [
            {"bytes": 700, "frames": [["/srv/app/store.py", 10], [LIBRARY, 7]]},
            {"bytes": 300, "frames": [["/srv/app/store.py", 10], [LIBRARY, 9]]},
            {"bytes": 50, "frames": [[LIBRARY, 9]]},
        ]
    }
    found = read_memory(content, OwnCode("/srv"))
    assert found == {("/srv/app/store.py", 10): 1_000, ("orm/rows.py", 9): 50}


@pytest.mark.skipif(tracemalloc.is_tracing(), reason="another tool traces allocations")
def test_the_probe_names_the_line_that_allocates():
    """The probe's answer has the stack of an allocation with its size."""
    tracemalloc.start(4)
    try:
        kept = bytearray(300_000)
        line = sys._getframe().f_lineno - 1
        found = memory()["allocations"]
    finally:
        tracemalloc.stop()
    assert len(kept) == 300_000
    largest = found[0]
    assert largest["bytes"] >= 300_000
    assert largest["frames"][-1] == [__file__, line]


def test_a_leak_names_its_lines():
    """The cause points to the lines that grew most, and shows the growth per request."""
    result = healthy(resources__cooldown__memory_mb=150.0)
    memory_ = result["resources"]["service"]["memory"]
    memory_ |= {"still_growing": True, "initial_mb": 120.0, "growth_mb": 30.0}
    trend = {"slope": 9.0, "low": 8.0, "high": 10.0}
    memory_ |= {"later_trend_mb_per_200_requests": trend, "trend_mb_per_200_requests": trend}
    rows = [("app/store.py", 10, 50_000.0), ("app/log.py", 3, 900.0)]
    result["memory"] = {
        "requests": 200,
        "lines": [
            {"file": file, "line": line, "bytes_per_request": rate, "grown_bytes": 10**6}
            for file, line, rate in rows
        ],
        "notes": [],
    }
    found = first(result)
    assert found["cause"] == "memory_leak"
    assert [(each["file"], each["line"]) for each in found["where"]] == [("app/store.py", 10)]
    assert "50.0 kB per request are kept at app/store.py:10" in str(found["evidence"])
