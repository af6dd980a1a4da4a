"""Lines whose memory or threads grow are distinguished from what fills up once."""

import functools
import sys
import threading
import tracemalloc
from collections import Counter

import pytest
from diagnosis_results import first, healthy, samples
from straingauge.inside.probe.sitecustomize import memory
from straingauge.profile.growth import (
    GrowthSnapshot,
    InUse,
    Line,
    ThreadKind,
    growing_lines,
    growing_threads,
    read_in_use,
)
from straingauge.profile.own_code import OwnCode

LEAK, CACHE, POOL, COUNTER = (("app/store.py", line) for line in (10, 20, 30, 40))
LIBRARY = "/usr/lib/python3.11/site-packages/orm/rows.py"


LINES: dict[str, Line] = {"leak": LEAK, "cache": CACHE, "pool": POOL, "counter": COUNTER}


def at(requests: int, **in_use: int) -> GrowthSnapshot:
    """A snapshot with the memory in use at four lines."""
    memory = Counter({LINES[name]: amount for name, amount in in_use.items()})
    return GrowthSnapshot(requests, InUse(memory=memory))


def with_threads(requests: int, **alive: int) -> GrowthSnapshot:
    """A snapshot with the threads that four lines have created."""
    threads = Counter({ThreadKind(*LINES[name], "poll"): n for name, n in alive.items()})
    return GrowthSnapshot(requests, InUse(threads=threads))


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
    assert growing_threads([with_threads(5, leak=n) for n in (1, 10, 20)]) == []


def test_only_steady_growth_of_threads_is_a_leak():
    """An executor that fills up is none, nor are a few threads more."""
    found = growing_threads(
        [
            with_threads(100, leak=25, cache=10, pool=8, counter=1),
            with_threads(200, leak=50, cache=30, pool=8, counter=2),
            with_threads(300, leak=75, cache=32, pool=8, counter=3),
        ]
    )
    file, line = LEAK
    assert found == [
        {
            "file": file,
            "line": line,
            "target": "poll",
            "threads_per_request": 0.25,
            "grown_threads": 50,
        }
    ]


def test_memory_belongs_to_the_line_of_the_service():
    """Memory of a library counts for the line of the service's own code that called it."""
    content = {
        "allocations": [
            {"bytes": 700, "frames": [["/srv/app/store.py", 10], [LIBRARY, 7]]},
            {"bytes": 300, "frames": [["/srv/app/store.py", 10], [LIBRARY, 9]]},
            {"bytes": 50, "frames": [[LIBRARY, 9]]},
        ],
        "threads": [
            {"count": 2, "target": "run", "frames": [["/srv/app/store.py", 10], [LIBRARY, 7]]}
        ],
    }
    found = read_in_use(content, OwnCode("/srv"))
    assert found.memory == {("/srv/app/store.py", 10): 1_000, ("orm/rows.py", 9): 50}
    assert found.threads == {("/srv/app/store.py", 10, "run"): 2}


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


@pytest.mark.skipif(tracemalloc.is_tracing(), reason="another tool traces allocations")
def test_the_probe_names_the_line_that_creates_a_thread():
    """The probe's answer has the stacks that created the threads, and what these run."""
    ended = threading.Event()

    class Poller(threading.Thread):
        def run(self) -> None:
            ended.wait()

    tracemalloc.start(12)
    try:
        line = sys._getframe().f_lineno + 1
        threads = [threading.Thread(target=ended.wait) for _ in range(3)]
        threads += [Poller(), threading.Thread(target=functools.partial(ended.wait, 60))]
        for each in threads:
            each.start()
        found = memory()["threads"]
    finally:
        tracemalloc.stop()
        ended.set()
        for each in threads:
            each.join()
    created = {
        (each["target"], [line for file, line in each["frames"] if file == __file__][-1]): each[
            "count"
        ]
        for each in found
    }
    run = f"{Poller.__qualname__}.run"
    assert created == {("Event.wait", line): 3, (run, line + 1): 1, ("Event.wait", line + 1): 1}


def test_a_leak_of_threads_names_the_line_that_creates_them():
    """The cause points to the lines that created most threads, and shows what these run."""
    result = healthy(
        resources__samples=samples(threads=list(range(12, 72))), resources__cooldown__threads=71
    )
    rows = [("app/mail.py", 10, 0.25, 50), ("app/log.py", 3, 0.01, 5)]
    result["memory"] = {
        "requests": 200,
        "lines": [],
        "threads": [
            {
                "file": file,
                "line": line,
                "target": "Mailer.poll",
                "threads_per_request": rate,
                "grown_threads": grown,
            }
            for file, line, rate, grown in rows
        ],
        "notes": [],
    }
    found = first(result)
    assert found["cause"] == "thread_leak"
    assert [(each["file"], each["line"]) for each in found["where"]] == [("app/mail.py", 10)]
    sentence = "0.25 threads per request are created at app/mail.py:10 and do not end in a second"
    assert sentence in str(found["evidence"])
    assert "they run Mailer.poll" in str(found["evidence"])


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
    assert "50 kB per request are kept at app/store.py:10" in str(found["evidence"])
