"""Errors over time by kind and status: recorded in bounded memory, and shown in a chart."""

import random
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import pytest
from straingauge.http import ErrorKind, RequestFailed, Response
from straingauge.journey import User
from straingauge.recording import Recorder
from straingauge.recording.error_timeline import MAX_KINDS, MAX_SLOTS, OTHER, ErrorTimeline
from straingauge.recording.record import Record
from straingauge.report.charts.traffic import errors as errors_chart
from straingauge.result.assembly.histograms import MAX_ERROR_KINDS, intervals

Failure = tuple[int, str, int]
"""Second, kind and status of a failed request."""


def record(failures: list[Failure], endpoint: str = "GET /a") -> Record:
    """Record failures, and one request that succeeds in each second with one."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", endpoint, 0)
    for second, kind, status in failures:
        times = (second * 10**9, second * 10**9, 0, second * 10**9 + 1000)
        response = Response(User(0).get("/"), status, b"", b"") if status else None
        sink.add_failure(*times, RequestFailed(kind, "made", response))
    for second in {second for second, *_ in failures}:
        sink.add(second * 10**9, second * 10**9, 0, second * 10**9 + 1000, 200, None)
    return recorder.snapshot()


def counts(timeline: ErrorTimeline) -> dict[str, list[int]]:
    """The counts of a timeline by kind."""
    return {kind: slots.tolist() for kind, slots in timeline.kinds.items()}


def test_failures_are_counted_by_second_kind_and_unexpected_status():
    """Two statuses are two series; a rate limit is none, as it is no error."""
    failures = [
        *[(1, ErrorKind.BAD_STATUS, 503)] * 3,
        (1, ErrorKind.BAD_STATUS, 500),
        (3, ErrorKind.BAD_STATUS, 503),
        (3, ErrorKind.TIMEOUT, 0),
        (2, ErrorKind.FAILED_CHECK, 200),
        (2, ErrorKind.RATE_LIMITED, 429),
    ]
    found = record(failures).total("main")
    assert counts(found.error_timeline) == {
        "bad_status 500": [0, 1],
        "bad_status 503": [0, 3, 0, 1],
        "failed_check": [0, 0, 1],
        "timeout": [0, 0, 0, 1],
    }
    assert found.errors == {"bad_status": 5, "failed_check": 1, "timeout": 1}


@pytest.mark.parametrize("parts", [2, 7])
def test_merged_record_does_not_depend_on_how_a_load_was_split(parts: int):
    """Also with more kinds than are kept, and slots of different widths."""
    chance = random.Random(parts)
    kinds = [f"kind{number}" for number in range(2 * MAX_KINDS)]
    failures = [(chance.randrange(3 * MAX_SLOTS), chance.choice(kinds), 0) for _ in range(2000)]
    whole = record(failures)
    pieces = [record(failures[first::parts]) for first in range(parts)]
    chance.shuffle(pieces)
    merged = counts(Record().merge(*pieces).total("main").error_timeline)
    assert merged == counts(whole.total("main").error_timeline)
    assert len(merged) == MAX_KINDS + 1
    assert sum(map(sum, merged.values())) == 2000


def test_memory_is_bounded_however_many_failures_and_kinds_there_are():
    """Ten hours of 200 kinds take 33 kinds of 2,048 slots of 8 bytes, and no more."""
    timeline = ErrorTimeline()
    chance = random.Random(1)
    seconds = [chance.randrange(36_000) for _ in range(20_000)]
    tracemalloc.start()
    for number, second in enumerate(seconds):
        timeline.add(f"kind{number % 200}", np.array([second]))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < (MAX_KINDS + 1) * MAX_SLOTS * 8 * 1.1
    assert sum(int(slots.sum()) for slots in timeline.kinds.values()) == 20_000


def test_a_record_of_failures_survives_being_sent():
    """Its bytes lead to an equal record, which can be added to."""
    sent = record([(5, ErrorKind.TIMEOUT, 0), (9000, ErrorKind.BAD_STATUS, 502)])
    received = Record.from_bytes(sent.to_bytes())
    assert received == sent
    assert received.merge(sent) == sent.merge(sent)


def test_result_has_the_largest_kinds_of_each_interval():
    """Of all kinds the six largest have their names, and the rest is "other"; none is missing."""
    amounts = {f"kind{number}": 20 - number for number in range(9)}
    failures = [(n % 4, kind, 0) for kind, amount in amounts.items() for n in range(amount)]
    rows = intervals(record(failures).total("main"))
    assert all(sum(row["error_kinds"].values()) == row["errors"] for row in rows)
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row["error_kinds"])
    largest = [f"kind{number}" for number in range(MAX_ERROR_KINDS)]
    rest = sum(amount for kind, amount in amounts.items() if kind not in largest)
    assert total == {**{kind: amounts[kind] for kind in largest}, OTHER: rest}


def drawn(rows: list[dict[str, Any]]) -> dict[str, tuple[list[float], str]]:
    """The series of the chart of errors: values and style by name."""
    chart = errors_chart({"endpoints": {}}, rows, "")
    return {each["name"]: (each["y"], each["style"]) for each in chart["series"]}


def row(errors: int, **kinds: int) -> dict[str, Any]:
    """An interval of ten requests."""
    return {
        "start_s": 0,
        "duration_s": 1,
        "requests": 10,
        "errors": errors,
        **({"error_kinds": kinds} if kinds else {}),
    }


def test_chart_stacks_the_kinds_with_the_largest_first():
    """Percentages of all requests add up to the error rate; the rest is grey and last."""
    found = drawn([row(4, timeout=1, other=3), row(3, reset=2, timeout=1)])
    assert found == {
        "reset": ([0, 20], "s0"),
        "timeout": ([10, 10], "s1"),
        "other": ([30, 0], "unattributed"),
    }
    assert drawn([row(4, timeout=4)]) == {"timeout": ([40], "failed")}


def test_chart_of_a_result_without_kinds_over_time():
    """Results that were written before say how many requests failed, not why."""
    assert drawn([row(4), row(0)]) == {"failed": ([40, 0], "failed")}
