import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from app.event_loop import INTERVAL_S, WINDOW_S, EventLoopMonitor
from virtual_time import block, run

BLOCKED_S = 0.4


@dataclass
class RecordingObserver:
    """An observer that records all events."""

    blocks_s: list[float] = field(default_factory=list)
    longest_s: list[float] = field(default_factory=list)

    def on_block(self, duration_s: float) -> None:
        """Record a block."""
        self.blocks_s.append(duration_s)

    def on_longest_change(self, duration_s: float) -> None:
        """Record the longest block."""
        self.longest_s.append(duration_s)


@dataclass
class FakeLoop:
    """An event loop with a fake clock."""

    now_s: float = 1000.0
    due_s: float = 0.0
    callback: Callable[[], None] | None = None

    def time(self) -> float:
        """Return the current time."""
        return self.now_s

    def call_at(self, due_s: float, callback: Callable[[], None]) -> "FakeLoop":
        """Store a callback."""
        self.due_s, self.callback = due_s, callback
        return self

    def cancel(self) -> None:
        """Remove the callback."""
        self.callback = None

    def run_callback(self, delay_s: float) -> None:
        """Call the callback with a delay."""
        assert self.callback is not None
        self.now_s = self.due_s + delay_s
        self.callback()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    """The running event loop."""
    loop = FakeLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    return loop


@pytest.fixture
def observer() -> RecordingObserver:
    """The observer of the monitor."""
    return RecordingObserver()


def test_duration_of_a_block_is_measured(observer: RecordingObserver):
    """The duration of a block is measured, less at most one interval."""

    async def scenario() -> None:
        with EventLoopMonitor(observer):
            await asyncio.sleep(2.5 * INTERVAL_S)
            block(BLOCKED_S)
            await asyncio.sleep(2 * INTERVAL_S)

    run(scenario())
    (measured_s,) = observer.blocks_s
    assert BLOCKED_S - INTERVAL_S <= measured_s <= BLOCKED_S


def test_short_delay_is_not_a_block(loop: FakeLoop, observer: RecordingObserver):
    """A short delay, for example by a garbage collection, is not a block."""
    with EventLoopMonitor(observer):
        for delay_s in (0.0, 0.02, 0.09):
            loop.run_callback(delay_s)
    assert observer.blocks_s == []
    assert loop.callback is None


def test_block_is_counted_once(loop: FakeLoop, observer: RecordingObserver):
    """A block is counted once, and the intervals that it spans are skipped."""
    with EventLoopMonitor(observer):
        for delay_s in (0.0, 0.5, 0.0, 0.2, 0.0):
            loop.run_callback(delay_s)
    assert observer.blocks_s == pytest.approx([0.5, 0.2])


def test_longest_block_expires(loop: FakeLoop, observer: RecordingObserver):
    """After one minute the longest block is replaced by the longest one since then."""
    with EventLoopMonitor(observer):
        loop.run_callback(0.5)
        loop.run_callback(0.2)
        loop.run_callback(0.3)
        assert observer.longest_s[-1] == pytest.approx(0.5)
        last_block_s = loop.now_s
        while observer.longest_s[-1] > 0.4:
            loop.run_callback(0.0)
        assert observer.longest_s[-1] == pytest.approx(0.3)
        while observer.longest_s[-1]:
            loop.run_callback(0.0)
        assert loop.now_s == pytest.approx(last_block_s + WINDOW_S, abs=1)
