"""Requests that wait for each other at a lock or a pool, as a profile shows it."""

from collections.abc import Sequence
from typing import Any

import pytest
from straingauge.diagnosis.location import CodeLocation
from straingauge.diagnosis.lock_waits import find_lock_wait, find_pool_wait
from straingauge.diagnosis.result_view import ResultView

OWN = ("app/report.py", 7, "Report.make")
LOCK = ("asyncio/locks.py", 387, "Semaphore.acquire")
THREAD_LOCK = (("threading.py", 479, "Semaphore.acquire"), ("threading.py", 327, "Condition.wait"))
POOL = (
    ("sqlalchemy/pool/impl.py", 166, "QueuePool._do_get"),
    ("asyncio/queues.py", 1, "Queue.get"),
)
SLEEP = ("asyncio/tasks.py", 649, "sleep")
QUERY = ("sqlalchemy/engine/base.py", 1868, "Connection._execute_context")
EVENT = ("asyncio/locks.py", 213, "Event.wait")


def result(*waiting: tuple[str, int, str], state: str = "task", taken: int = 100) -> ResultView:
    """Return a result in which a third of the requests is in these frames of libraries."""
    frames: list[dict[str, Any]] = []

    def stack(samples: int, *lines: Sequence[Any]) -> dict[str, Any]:
        numbers = range(len(frames), len(frames) + len(lines))
        for file, line, function in lines:
            own = file.startswith("app/")
            frames.append({"file": file, "line": line, "function": function, "own": own})
        return {"state": state, "samples": samples, "frames": list(numbers)}

    def row(line: int, samples: int, snapshots: int) -> dict[str, Any]:
        file, _, function = OWN
        place = {"file": file, "line": line, "function": function}
        return {"state": state, **place, "own_samples": samples, "snapshots": snapshots}

    holder = (*OWN[:1], 8, *OWN[2:])
    return ResultView(
        {
            "profile": {
                "stacks": [stack(100, OWN, *waiting), stack(200, holder, SLEEP)],
                "lines": [row(7, 100, 70), row(8, 200, 99)],
                "frames": frames,
                "snapshots": {"count": taken, "tasks_visible": True},
            }
        }
    )


@pytest.mark.parametrize(("frames", "state"), [((LOCK,), "task"), (THREAD_LOCK, "thread")])
def test_the_line_that_waits_for_a_lock_is_found(
    frames: Sequence[tuple[str, int, str]], state: str
) -> None:
    """Tasks and threads that wait for a lock or semaphore count for the nearest own line."""
    found = find_lock_wait(result(*frames, state=state))
    assert found is not None
    assert found.location == CodeLocation(*OWN)
    assert (round(found.share, 2), found.contended) == (0.33, 0.7)


@pytest.mark.parametrize("frames", [(SLEEP,), (EVENT,), (QUERY,), POOL, ()])
def test_other_waits_are_no_locks(frames: Sequence[tuple[str, int, str]]) -> None:
    """Neither a sleep, an event, a statement nor the wait for a pooled connection is a lock."""
    assert find_lock_wait(result(*frames)) is None


def test_the_wait_for_a_pooled_connection_is_found() -> None:
    """A queue or a lock inside of a pool's library is a wait for a connection."""
    found = find_pool_wait(result(*POOL))
    assert found is not None
    assert (found.location.function, round(found.everywhere, 2)) == ("Report.make", 0.33)
    assert find_pool_wait(result(QUERY)) is None
    assert find_pool_wait(result(LOCK)) is None


def test_few_snapshots_say_nothing() -> None:
    """From less than 20 snapshots no wait is named."""
    assert find_lock_wait(result(LOCK, taken=19)) is None
