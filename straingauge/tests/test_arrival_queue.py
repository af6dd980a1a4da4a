"""The arrival queue that the engine and Locust share."""

from collections.abc import Callable

import pytest
from straingauge.engine.arrival_queue import ArrivalQueue
from straingauge.engine.schedule_lag import ScheduleLag

MS = 1_000_000


@pytest.fixture
def now_ns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the clock of the queue."""

    def set_now(at_ns: int) -> None:
        monkeypatch.setattr("straingauge.engine.arrival_queue.monotonic_ns", lambda: at_ns)

    return set_now


def test_an_arrival_goes_to_the_user_that_has_been_free_the_longest():
    """Users take turns, in the order in which they became free."""
    queue, lag = ArrivalQueue(["a", "b"]), ScheduleLag()
    assert [queue.arrive(n, 0, lag) for n in range(2)] == ["a", "b"]
    assert queue.release("b") is None
    assert queue.release("a") is None
    assert [queue.arrive(n, 0, lag) for n in range(2, 4)] == ["b", "a"]
    assert (lag.waited, lag.dropped) == (0, 0)


def test_arrivals_wait_in_order_and_keep_their_intended_start():
    """A user that becomes free gets the arrival that has waited the longest."""
    queue, lag = ArrivalQueue(["a"]), ScheduleLag()
    queue.arrive(0, 10, lag)
    assert [queue.arrive(n, 10 + n, lag) for n in (1, 2)] == [None, None]
    assert (queue.queued, lag.waited) == (2, 2)
    assert queue.release("a") == (1, 11)
    assert queue.release("a") == (2, 12)
    assert queue.release("a") is None
    assert (queue.queued, queue.free) == (0, 1)


def test_arrivals_beyond_the_limit_are_dropped():
    """The queue is bounded, and at the end of a run those that wait are dropped as well."""
    queue, lag = ArrivalQueue[str](max_queued=2), ScheduleLag()
    assert [queue.arrive(n, 0, lag) for n in range(3)] == [None] * 3
    assert (lag.waited, lag.dropped) == (2, 1)
    queue.drop_queued(lag)
    assert (queue.queued, lag.dropped) == (0, 3)


def test_users_can_leave():
    """A user that is removed gets no arrival."""
    queue, lag = ArrivalQueue(["a", "b", "c"]), ScheduleLag()
    queue.remove("a")
    assert queue.arrive(0, 0, lag) == "b"
    assert queue.remove_all() == ["c"]
    assert queue.arrive(1, 0, lag) is None


def test_the_start_delay_is_the_generators_own(now_ns: Callable[[int], None]):
    """It runs to when the arrival was handled, not to when a user was free."""
    queue, lag = ArrivalQueue[str](), ScheduleLag()
    now_ns(30 * MS)
    queue.arrive(0, 10 * MS, lag)
    now_ns(900 * MS)
    assert queue.release("a") == (0, 10 * MS)
    assert lag.start_delay_ms.max == pytest.approx(20, rel=0.01)
