"""Batches of successful requests for Locust's statistics."""

from collections import defaultdict
from typing import Any, Final
from weakref import WeakKeyDictionary

import locust.stats
from gevent import get_hub
from locust.env import Environment
from locust.event import EventHook
from locust.runners import Runner
from locust.stats import StatsEntry

# The listener of each runner: it calls `log_request`, and `log_error` if there is an exception.
_STATISTICS: Final = f"{Runner.__init__.__qualname__}.<locals>.on_request"


class StatsBatcher:
    """Collects successful requests until the event loop's next iteration, then counts them all.

    Firing an event and counting it costs Locust about 6 us per request, a fifth of all the work for
    a request. Added up by endpoint first, it costs 2 us.

    Args:
        environment: Locust's environment.
        own_listener: straingauge's listener, which needs no event for these requests.
    """

    __slots__ = (
        "_has_listeners",
        "_hook",
        "_last_listeners",
        "_own_listener",
        "_pending",
        "_stats",
    )

    def __init__(self, environment: Environment, own_listener: object) -> None:
        self._hook: EventHook = environment.events.request
        self._stats = environment.stats
        self._own_listener = own_listener
        self._last_listeners: list[Any] = []
        self._has_listeners = True
        self._pending: defaultdict[tuple[str, str], tuple[list[float], list[int]]]
        self._pending = defaultdict(lambda: ([], []))

    @property
    def has_listeners(self) -> bool:
        """Some listener other than Locust's statistics needs the event of each request."""
        listeners = self._hook._handlers  # noqa: SLF001  there is no public way to read them
        if listeners != self._last_listeners:
            self._last_listeners = listeners.copy()
            others = [each for each in listeners if each != self._own_listener]
            self._has_listeners = len(others) != 1 or others[0].__qualname__ != _STATISTICS
        return self._has_listeners

    def add(self, method: str, name: str, response_ms: float, length: int) -> None:
        """Add a request, to be counted before the loop looks at sockets and timers again."""
        if not self._pending:
            get_hub().loop.run_callback(self.flush)
        times_ms, lengths = self._pending[name, method]
        times_ms.append(response_ms)
        lengths.append(length)

    def flush(self) -> None:
        """Count the requests added so far."""
        pending, entries = dict(self._pending), self._stats.entries
        self._pending.clear()
        for key, (times_ms, lengths) in pending.items():
            rounded_ms = [locust.stats.bucket_response_time(each) for each in times_ms]
            for entry in (self._stats.total, entries[key]):
                _log(entry, times_ms, rounded_ms, lengths)


_batchers: WeakKeyDictionary[Environment, StatsBatcher] = WeakKeyDictionary()


def get_batcher(environment: Environment, own_listener: object) -> StatsBatcher:
    """Return the batcher of this Locust process."""
    return _batchers.setdefault(environment, StatsBatcher(environment, own_listener))


def _log(
    entry: StatsEntry, times_ms: list[float], rounded_ms: list[int], lengths: list[int]
) -> None:
    """Do what `StatsEntry.log` does for each request; the first one goes through it."""
    entry.log(times_ms[0], lengths[0])  # type: ignore[arg-type]  # Locust's times are floats, too
    further = len(times_ms) - 1
    if not further:
        return
    assert entry.last_request_timestamp is not None
    assert entry.min_response_time is not None
    entry.num_requests += further
    entry.num_reqs_per_sec[int(entry.last_request_timestamp)] += further
    entry.total_content_length += sum(lengths) - lengths[0]
    entry.total_response_time += sum(times_ms) - times_ms[0]  # type: ignore[assignment]
    entry.min_response_time = min(entry.min_response_time, *times_ms)  # type: ignore[assignment]
    entry.max_response_time = max(entry.max_response_time, *times_ms)  # type: ignore[assignment]
    counts = entry.response_times
    for each in rounded_ms[1:]:
        counts[each] += 1
