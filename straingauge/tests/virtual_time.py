"""An event loop whose time jumps to the next timer, so that a test decides every moment."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "all tasks wait, and no timer will wake one"
        self.loop.now_s += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Event loop without a clock: `now_s` is the time of the last timer."""

    def __init__(self) -> None:
        self.now_s = 0.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the current time in seconds."""
        return self.now_s


def block(duration_s: float) -> None:
    """Let time pass in the running loop, as a handler that does not await would."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    loop.now_s += duration_s


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine; fail if it waits for something that nothing will do."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
