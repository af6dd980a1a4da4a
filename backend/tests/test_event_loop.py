import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from app.event_loop import INTERVAL_S, WINDOW_S, EventLoopMonitor

HELD_S = 0.4


@dataclass
class Noted:
    """What the clock told."""

    blocks_s: list[float] = field(default_factory=list)
    longest_s: list[float] = field(default_factory=list)

    def on_block(self, duration_s: float) -> None:
        """Record a block."""
        self.blocks_s.append(duration_s)

    def on_longest_change(self, duration_s: float) -> None:
        """Record the longest block."""
        self.longest_s.append(duration_s)


@dataclass
class Loop:
    """An event loop whose time a test moves."""

    now_s: float = 1000.0
    due_s: float = 0.0
    tick: Callable[[], None] | None = None

    def time(self) -> float:
        """The time."""
        return self.now_s

    def call_at(self, due_s: float, tick: Callable[[], None]) -> "Loop":
        """Keep who is to be called."""
        self.due_s, self.tick = due_s, tick
        return self

    def cancel(self) -> None:
        """Call it no more."""
        self.tick = None

    def come(self, late_s: float) -> None:
        """Call it, so late."""
        assert self.tick is not None
        self.now_s = self.due_s + late_s
        self.tick()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    """The loop that is running."""
    fake = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: fake)
    return fake


@pytest.fixture
def noted() -> Noted:
    """What was told."""
    return Noted()


async def test_a_handler_that_holds_the_loop_is_told_with_its_length(noted: Noted):
    """A block is as long as the loop was held, less at most one beat."""
    with EventLoopMonitor(noted):
        await asyncio.sleep(2 * INTERVAL_S)
        before = len(noted.blocks_s)
        time.sleep(HELD_S)  # noqa: ASYNC251 -- the very thing that must not be done
        await asyncio.sleep(2 * INTERVAL_S)
    assert max(noted.blocks_s[before:]) > HELD_S - INTERVAL_S - 0.01


def test_small_delays_are_no_blocks(loop: Loop, noted: Noted):
    """A tick that is a little late, as by a garbage collection, is no block."""
    with EventLoopMonitor(noted):
        for late_s in (0.0, 0.02, 0.09):
            loop.come(late_s)
    assert noted.blocks_s == []
    assert loop.tick is None


def test_each_block_is_told_once(loop: Loop, noted: Noted):
    """The clock goes on after a block: it does not count the beats that were missed."""
    with EventLoopMonitor(noted):
        for late_s in (0.0, 0.5, 0.0, 0.2, 0.0):
            loop.come(late_s)
    assert noted.blocks_s == pytest.approx([0.5, 0.2])


def test_the_longest_is_of_the_last_minute_only(loop: Loop, noted: Noted):
    """When the longest block is a minute old, the next longest since then takes its place."""
    with EventLoopMonitor(noted):
        loop.come(0.5)
        loop.come(0.2)
        loop.come(0.3)
        assert noted.longest_s[-1] == pytest.approx(0.5)
        late = loop.now_s
        while noted.longest_s[-1] > 0.4:
            loop.come(0.0)
        assert noted.longest_s[-1] == pytest.approx(0.3)
        while noted.longest_s[-1]:
            loop.come(0.0)
        assert loop.now_s == pytest.approx(late + WINDOW_S, abs=1)
