"""The event loop of a run, and a garbage collector that rarely interrupts it."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from straingauge.journey.open_once import close_clients

_END_S: Final = 3.0


@contextmanager
def new_event_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Create an event loop, of uvloop if it is installed; close it at the end of the block."""
    try:
        import uvloop
    except ImportError:  # Windows
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    try:
        yield loop
    finally:
        loop.run_until_complete(close_clients(_END_S))
        loop.run_until_complete(_end_tasks())
        loop.close()


async def _end_tasks() -> None:
    """Cancel all tasks, and give them the time to end; own steps may ignore that."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        _, pending = await asyncio.wait(tasks, timeout=_END_S)
        for task in pending:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001  as asyncio.gather does
    await asyncio.sleep(0)  # aborted connections end


@contextmanager
def rare_gc(*, collect: bool) -> Iterator[None]:
    """Keep garbage collections short and rare within the block.

    Args:
        collect: collect once before; it takes some milliseconds.
    """
    thresholds = gc.get_threshold()
    if collect:
        gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
