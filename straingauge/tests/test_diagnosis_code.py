"""Causes name the line of code that the profile of a run shows."""

from typing import Any

import pytest
from straingauge.diagnosis.causes import CAUSES
from straingauge.diagnosis.code_lines import CodeView, code_evidence
from straingauge.diagnosis.location import CodeLocation
from straingauge.diagnosis.result_view import ResultView


def row(state: str, function: str, line: int, own: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a line of a profile."""
    return {
        "process": 1,
        "thread": "MainThread",
        "state": state,
        "file": f"app/{function}.py",
        "line": line,
        "function": function,
        "own_samples": own,
        "total_samples": own,
        "lasting_samples": 0,
        "snapshots": own,
    } | more


def view(*lines: dict[str, Any], stalls: int = 0, running: int = 1000) -> ResultView:
    """Return a result with a profile of 50 snapshots."""
    stall = {"t_s": 1.0, "silent_ms": 300, "lines": [row("thread", "flush", 5, 1)], "tasks": []}
    profile = {
        "running_samples": running,
        "lines": list(lines),
        "snapshots": {"count": 50, "tasks_visible": True},
        "stalls": [stall] * stalls,
    }
    return ResultView({"profile": profile})


BURNS = (row("running", "hash", 7, 300), row("running", "hash", 8, 200), row("running", "x", 1, 90))
QUEUES = (row("task", "lock", 4, 400, snapshots=45), row("task", "load", 9, 90, snapshots=30))
SLEEPS = (row("thread", "sleep", 2, 40), row("thread", "other", 3, 5))


@pytest.mark.parametrize(
    ("views", "result", "expected"),
    [
        (("running",), view(*BURNS), CodeLocation("app/hash.py", 7, "hash")),
        (("running",), view(row("running", "x", 1, 90)), None),  # no function stands out
        (("running",), view(row("running", "x", 1, 9), running=10), None),  # too few samples
        (("waiting",), view(*QUEUES), CodeLocation("app/lock.py", 4, "lock")),
        (("waiting",), view(*QUEUES, row("task", "y", 1, 390, snapshots=40)), None),
        (("waiting",), view(row("task", "lock", 4, 9, snapshots=2)), None),
        (("waiting",), view(), None),
        (
            ("waiting",),
            view(row("task", "tail", 6, 60, lasting_samples=50), row("task", "load", 9, 55)),
            CodeLocation("app/tail.py", 6, "tail"),  # the others are new in each snapshot
        ),
        (
            ("occupying", "waiting"),
            view(*QUEUES, *SLEEPS),
            CodeLocation("app/sleep.py", 2, "sleep"),
        ),
        (("occupying",), view(row("thread", "sleep", 2, 20)), None),  # in 40 % of the snapshots
        (
            ("blocking",),
            view(row("thread", "sleep", 2, 20)),
            CodeLocation("app/sleep.py", 2, "sleep"),
        ),
        (("blocking",), view(stalls=6), CodeLocation("app/flush.py", 5, "flush")),
        (("blocking",), view(stalls=2), None),
    ],
)
def test_a_line_is_named_only_if_it_stands_out(
    views: tuple[CodeView, ...], result: ResultView, expected: CodeLocation | None
) -> None:
    """A view of the profile names a line only if enough samples agree on one function."""
    found = code_evidence(result, views)
    assert (found and found.location) == expected


@pytest.mark.parametrize(
    ("runs_loop", "expected"),
    [
        ({"MainThread": True, "worker": False}, CodeLocation("app/render.py", 3, "render")),
        ({"MainThread": False, "worker": True}, CodeLocation("app/hash.py", 7, "hash")),
        ({"MainThread": False, "worker": False}, None),
    ],
)
def test_only_work_in_its_thread_keeps_a_loop_busy(
    runs_loop: dict[str, bool], expected: CodeLocation | None
) -> None:
    """A thread of an executor may compute for long without blocking the event loop."""
    result = view(row("running", "hash", 7, 900, thread="worker"), row("running", "render", 3, 100))
    samples = {"MainThread": 100, "worker": 900}
    threads = [
        {"name": name, "running_samples": samples[name], "runs_loop": runs}
        for name, runs in runs_loop.items()
    ]
    profile = {**result.result["profile"], "processes": [{"pid": 1, "threads": threads}]}
    found = code_evidence(ResultView({"profile": profile}), ["looping"])
    assert (found and found.location) == expected


def test_evidence_has_its_numbers() -> None:
    """The sentence says how much of what was seen is in the line."""
    running, waiting = (
        code_evidence(view(*BURNS), ["running"]),
        code_evidence(view(*QUEUES), ["waiting"]),
    )
    assert running is not None
    assert running.sentence == "50% of the CPU time of the service is spent in hash (app/hash.py:7)"
    assert waiting is not None
    assert waiting.sentence == "82% of the requests in 50 snapshots waited in lock (app/lock.py:4)"


def test_results_without_a_profile_name_no_line() -> None:
    """Without a profile, or with a damaged one, nothing is named."""
    for result in ({}, {"profile": None}, {"profile": {"lines": 3, "stalls": [{"lines": 1}]}}):
        for views in {cause.code for cause in CAUSES.values()}:
            assert code_evidence(ResultView(result), views) is None


@pytest.mark.parametrize(
    "cause",
    [
        "cpu_bound",
        "event_loop_blocked",
        "freeze",
        "slow_endpoint",
        "slow_tail",
        "limited_concurrency",
    ],
)
def test_causes_in_the_code_use_the_profile(cause: str) -> None:
    """Each cause that lies in the service's code has views of the profile."""
    assert CAUSES[cause].code
