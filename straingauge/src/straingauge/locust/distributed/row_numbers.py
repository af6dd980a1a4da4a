"""Numbers of feeders' rows, each given out once to all workers of a run by their master."""

import time
from collections import Counter
from typing import Any, Final

from gevent import GreenletExit
from gevent.event import Event
from gevent.lock import RLock
from locust.rpc import Message
from locust.runners import (
    STATE_CLEANUP,
    STATE_STOPPED,
    STATE_STOPPING,
    MasterRunner,
    WorkerRunner,
)

from straingauge.errors import TargetError
from straingauge.locust.distributed.messages import ROWS_GIVEN, TAKE_ROWS

ANSWER_S, POLL_S = 10.0, 0.05
MAX_BLOCK: Final = 64  # numbers that a worker may hold
_STOPPING: Final = (STATE_CLEANUP, STATE_STOPPING, STATE_STOPPED)
BUSY_S: Final = 0.5  # a worker that needs the next block sooner gets a larger one


class MasterNumbers:
    """A worker's numbers, in blocks from its master.

    Args:
        runner: Locust's runner, of a worker.
    """

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._blocks: dict[int, range] = {}
        self._sizes: Counter[int] = Counter()
        self._asked_s: dict[int, float] = {}
        self._request = 0
        self._given = Event()
        self._lock = RLock()
        runner.register_message(ROWS_GIVEN, self._on_given)

    def begin_run(self) -> None:
        """Forget the numbers of the last run."""
        self._blocks.clear()
        self._sizes.clear()

    def take(self, feeder: int, rows: int) -> int:
        """Return the next number of a feeder; see `feeders.RowNumbers`.

        Raises:
            TargetError: The master does not answer.
            GreenletExit: The run is being stopped.
        """
        with self._lock:
            block = self._blocks.get(feeder) or self._next_block(feeder, rows)
            self._blocks[feeder] = block[1:]
            return block[0]

    def close(self) -> None:
        """Free nothing."""

    def _next_block(self, feeder: int, rows: int) -> range:
        now_s = time.monotonic()
        is_busy = now_s - self._asked_s.get(feeder, 0.0) < BUSY_S
        self._asked_s[feeder] = now_s
        self._sizes[feeder] = min(max(self._sizes[feeder] * 2, 1), MAX_BLOCK) if is_busy else 1
        self._request += 1
        self._given.clear()
        request = {
            "request": self._request,
            "feeder": feeder,
            "rows": rows,
            "count": self._sizes[feeder],
        }
        self._runner.send_message(TAKE_ROWS, request)
        self._wait()
        return self._blocks[feeder]

    def _wait(self) -> None:
        """Wait for the answer; the request is not repeated, since a number would then be lost."""
        give_up_s = time.monotonic() + ANSWER_S
        while not self._given.wait(POLL_S):
            if self._runner.state in _STOPPING:  # the worker then receives nothing
                raise GreenletExit
            if time.monotonic() > give_up_s:
                raise TargetError(
                    "the master gives out no rows of feeders", "run the load test there, too"
                )

    def _on_given(self, msg: Message, **_: object) -> None:
        data = msg.data
        if data["request"] == self._request:
            self._blocks[data["feeder"]] = range(data["first"], data["first"] + data["count"])
            self._given.set()


class RowGiver:
    """Gives out the numbers, in the master.

    Args:
        runner: Locust's runner, of a master.
    """

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._next: Counter[int] = Counter()
        runner.register_message(TAKE_ROWS, self._on_take)

    def begin_run(self) -> None:
        """Begin with the first row."""
        self._next.clear()

    def _on_take(self, msg: Message, **_: object) -> None:
        """Give out a block; the last rows come one by one, so that no worker keeps them."""
        data: dict[str, Any] = msg.data
        first = self._next[data["feeder"]]
        fair = (data["rows"] - first) // (4 * max(len(self._runner.clients), 1))
        count = max(1, min(data["count"], fair))
        self._next[data["feeder"]] = first + count
        answer = {
            "request": data["request"],
            "feeder": data["feeder"],
            "first": first,
            "count": count,
        }
        self._runner.send_message(ROWS_GIVEN, answer, msg.node_id)
