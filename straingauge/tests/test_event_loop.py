"""An event loop that is blocked shows in the snapshots of a profile."""

from typing import Any

import pytest
from diagnosis_results import healthy, slowed
from straingauge.diagnosis import diagnose
from straingauge.diagnosis.event_loop import occupied_loop
from straingauge.diagnosis.result_view import ResultView

IDLE = ["Runner.run", "BaseEventLoop.run_until_complete", "BaseEventLoop._run_once", "select"]
STEP = [*IDLE[:3], "Handle._run", "show_page", "read_settings"]
UVLOOP_IDLE, UVLOOP_STEP = ["run", "run_until_complete"], ["run", "run_until_complete", "show_page"]
THREAD = ["Thread.run", "show_page", "read_settings"]


def profile(*stacks: tuple[list[str], int], snapshots: int = 80) -> dict[str, Any]:
    """Return a profile of one thread with these stacks."""
    names = sorted({name for functions, _ in stacks for name in functions})
    return {
        "snapshots": {"count": snapshots},
        "lines": [],
        "stalls": [],
        "frames": [{"file": "a.py", "line": 1, "function": name} for name in names],
        "stacks": [
            {
                "process": 1,
                "thread": "MainThread",
                "state": "thread",
                "frames": [names.index(name) for name in functions],
                "samples": samples,
            }
            for functions, samples in stacks
        ],
    }


@pytest.mark.parametrize(
    ("stacks", "share"),
    [
        ([(STEP, 60), (IDLE, 20)], 0.75),
        ([(UVLOOP_STEP, 40), (UVLOOP_IDLE, 40)], 0.5),
        ([(IDLE, 80)], None),
        ([(THREAD, 80)], None),
    ],
)
def test_a_loop_is_occupied_while_it_runs_a_step(
    stacks: list[tuple[list[str], int]], share: float | None
):
    """A loop that waits for events, and a thread without a loop, are not occupied."""
    assert occupied_loop(ResultView({"profile": profile(*stacks)})) == share


def test_few_snapshots_say_nothing():
    """Fewer than 30 snapshots are not enough for a share."""
    assert occupied_loop(ResultView({"profile": profile((STEP, 29), snapshots=29)})) is None


@pytest.mark.parametrize(
    ("own", "waited", "found"),
    [
        (8.0, 25.0, ["event_loop_blocked"]),
        (70.0, 5.0, []),
        (26.0, 60.0, []),
    ],
    ids=["waits", "computes", "waits for a CPU"],
)
def test_a_loop_that_neither_runs_nor_waits_for_a_cpu_is_blocked(
    own: float, waited: float, found: list[str]
):
    """The cause needs no metrics of the service; steps that compute do not count."""
    result = healthy(
        resources__service__event_loop=None,
        resources__service__cpu_percent={"avg": own, "peak": own},
        resources__service__cpu_wait_percent={"avg": waited, "peak": waited},
    )
    result["profile"] = profile((STEP, 65), (IDLE, 15))
    causes = diagnose(slowed(result, 1933, 3732, 3748))
    assert [each["cause"] for each in causes if "loop" in each["cause"]] == found
