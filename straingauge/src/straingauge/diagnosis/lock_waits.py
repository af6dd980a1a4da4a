"""Requests that wait for each other at a lock or a pool, by the stacks of a profile's snapshots."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from straingauge.diagnosis.location import CodeLocation
from straingauge.diagnosis.result_view import ResultView, number

MIN_SNAPSHOTS: Final = 20  # half of them is known to within 22 points (binomial, 95 %)
MIN_SAMPLES: Final = 30
_LOCK_FILES: Final = (
    "asyncio/locks.py",
    "threading.py",
    "anyio/_core/_synchronization.py",
    "anyio/_backends/_asyncio.py",
    "gevent/lock.py",
)
_QUEUE_FILES: Final = ("asyncio/queues.py", "sqlalchemy/util/queue.py", *_LOCK_FILES)
_POOLS: Final = re.compile(
    r"sqlalchemy/|asyncpg/pool\.py|psycopg_pool/|psycopg2/pool\.py|aiomysql/pool\.py|aiopg/pool\.py"
)

_Frames = Sequence[Mapping[str, Any]]


class LockWait(NamedTuple):
    """Requests that wait at one line of the service's own code.

    Attributes:
        location: The line.
        share: Part of all requests in the snapshots, which is the part of their time.
        everywhere: The same of all lines together.
        contended: Part of the snapshots in which any waited there.
        snapshots: Number of snapshots.
    """

    location: CodeLocation
    share: float
    everywhere: float
    contended: float
    snapshots: int


def find_lock_wait(result: ResultView) -> LockWait | None:
    """Return the line at which most requests wait for a lock or a semaphore, if any do."""
    return _find(result, lambda frames: _acquires(frames) and not _is_in_pool(frames))


def find_pool_wait(result: ResultView) -> LockWait | None:
    """Return the line at which most requests wait for a connection of a pool, if any do."""
    return _find(result, lambda frames: _is_in_pool(frames) and _is_queued(frames[-1]))


def _find(result: ResultView, is_wait: Callable[[_Frames], bool]) -> LockWait | None:
    taken = int(result.figure("profile", "snapshots", "count"))
    rows = [row for row in result.rows("profile", "lines") if row.get("state") in _STATES]
    samples: Counter[tuple[str, int, str]] = Counter()
    for count, frames in _stacks(result):
        nearest = max((i for i, frame in enumerate(frames) if frame.get("own")), default=None)
        if nearest is not None and is_wait(frames[nearest + 1 :]):
            samples[_key(frames[nearest])] += count
    whole = max(sum(number(row, "own_samples") or 0.0 for row in rows), samples.total())
    if taken < MIN_SNAPSHOTS or whole < MIN_SAMPLES or not samples:
        return None
    line, waiting = samples.most_common(1)[0]
    instants = sum(number(row, "snapshots") or 0.0 for row in rows if _key(row) == line)
    contended = min(instants / taken, 1.0)
    shares = (waiting / whole, samples.total() / whole)
    return LockWait(CodeLocation(*line), *shares, contended, taken)


_STATES: Final = ("task", "thread")


def _stacks(result: ResultView) -> Iterator[tuple[int, _Frames]]:
    known = result.rows("profile", "frames")
    for stack in result.rows("profile", "stacks"):
        numbers = stack.get("frames")
        if stack.get("state") in _STATES and isinstance(numbers, list):
            frames = [known[n] for n in numbers if isinstance(n, int) and 0 <= n < len(known)]
            yield int(number(stack, "samples") or 0), frames


def _acquires(frames: _Frames) -> bool:
    return any(
        _is_in(frame, _LOCK_FILES) and _function(frame).startswith("acquire") for frame in frames
    )


def _is_in_pool(frames: _Frames) -> bool:
    return any(_POOLS.search(str(frame.get("file"))) for frame in frames)


def _is_queued(frame: Mapping[str, Any]) -> bool:
    return _is_in(frame, _QUEUE_FILES) and _function(frame).startswith(("acquire", "get", "wait"))


def _is_in(frame: Mapping[str, Any], files: tuple[str, ...]) -> bool:
    return str(frame.get("file")).endswith(files)


def _function(frame: Mapping[str, Any]) -> str:
    """Return the name of a function without that of its class."""
    return str(frame.get("function")).rpartition(".")[2]


def _key(row: Mapping[str, Any]) -> tuple[str, int, str]:
    return str(row.get("file")), int(number(row, "line") or 0), str(row.get("function"))
