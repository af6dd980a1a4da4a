"""Supervision of background tasks.

A task that raises an exception goes on after a pause that doubles with each failure in a row. The
exception is logged with its stack and counted in /metrics. /health names a task that has not run
for three of its periods, whether it fails, hangs or its process is gone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

from app.metrics import background_metrics

logger = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
LATE_AFTER_PERIODS = 3

Work = Callable[[], Awaitable[object]]


class BackgroundTasks:
    """The background tasks of one process. They are cancelled at the end of the `async with`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def every(self, period_s: float, name: str, work: Work) -> None:
        """Do some work now and then every `period_s` seconds."""
        self._start(_repeat(period_s, name, work), name)

    def keep(self, max_pause_s: float, name: str, work: Work) -> None:
        """Keep work running that never ends, restarting it if it raises an exception or ends.

        While it runs, it counts as having run within each `max_pause_s`.
        """
        self._start(_keep(max_pause_s, name, work), name)

    def _start(self, coroutine: Any, name: str) -> None:  # noqa: ANN401 -- a coroutine
        self._tasks.add(asyncio.create_task(coroutine, name=name))


async def _repeat(period_s: float, name: str, work: Work) -> None:
    retry_s = FIRST_PAUSE_S
    while True:
        if await _ran(name, work):
            background_metrics.on_run(name)
            pause_s, retry_s = period_s, FIRST_PAUSE_S
        else:
            pause_s = min(retry_s, period_s)
            retry_s *= 2
        await asyncio.sleep(pause_s)


async def _keep(max_pause_s: float, name: str, work: Work) -> None:
    pause_s = FIRST_PAUSE_S
    while True:
        started_s = time.monotonic()
        beat = asyncio.create_task(_beat(max_pause_s, name))
        try:
            if await _ran(name, work):
                logger.warning("the background task %s ended; it is restarted", name)
        finally:
            beat.cancel()
            await asyncio.wait({beat})  # unlike `await beat`, does not hide this task's own end
        if time.monotonic() - started_s > max_pause_s:
            pause_s = FIRST_PAUSE_S
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, max_pause_s)


async def _beat(period_s: float, name: str) -> None:
    """Record that a task is running, from the end of its first period on."""
    while True:
        await asyncio.sleep(period_s)
        background_metrics.on_run(name)


async def _ran(name: str, work: Work) -> bool:
    """Do the work; False if it failed."""
    try:
        await work()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        report_failure(name, error)  # cancelled from within, for example by a library's time-out
    except Exception as error:  # noqa: BLE001 -- any exception: the task must go on
        report_failure(name, error)
    else:
        return True
    return False


def report_failure(name: str, error: BaseException) -> None:
    """Log an exception of a background task with its stack, and count it."""
    background_metrics.on_failure(name)
    logger.error("the background task %s failed", name, exc_info=error)


def states(periods_s: Mapping[str, float], since_s: float) -> dict[str, dict[str, Any]]:
    """Return the state of background tasks for /health.

    Args:
        periods_s: Period of each task that should run, by its name.
        since_s: Start of the service, in seconds since the epoch.

    Returns:
        By name: `status` (`ok`, `late`, or `unknown` while the metrics are lost), `period_s`, and
        `last_run_s`, the seconds since the last successful run, null before the first.
    """
    runs = background_metrics.last_runs()
    now_s = time.time()
    found = {}
    for name, period_s in periods_s.items():
        last_s = None if runs is None else runs.get(name)
        status = "unknown"
        if runs is not None:
            waited_s = now_s - max(since_s, last_s or 0.0)
            status = "late" if waited_s > LATE_AFTER_PERIODS * period_s else "ok"
        found[name] = {
            "status": status,
            "period_s": period_s,
            "last_run_s": None if last_s is None else round(max(0.0, now_s - last_s), 1),
        }
    return found
