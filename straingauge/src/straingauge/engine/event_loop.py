"""The event loop of a run, and a garbage collector that rarely interrupts it."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
        # Aborted connections and cancelled tasks end by themselves if they are given the time.
        while pending := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


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
