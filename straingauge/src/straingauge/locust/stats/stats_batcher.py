"""Telling Locust of requests: through its event, or, where only its statistics listen, in bulk."""

from collections import defaultdict
from typing import Any, Final
from weakref import WeakKeyDictionary

import locust.stats
from gevent import get_hub
from locust.env import Environment
from locust.event import EventHook
from locust.runners import Runner
from locust.stats import StatsEntry

# What each runner adds to the event: it calls `log_request`, and `log_error` where one is told.
_STATISTICS: Final = f"{Runner.__init__.__qualname__}.<locals>.on_request"


class StatsBatcher:
    """Requests that went well, till the hub's loop comes round: then Locust counts all of them.

    Firing an event and counting it costs Locust some 6 us a request, a fifth of what all else does.
    Added up for each endpoint first, it is 2.

    Args:
        environment: Locust's.
        ours: The listener that needs not be told, for it knows.
    """

    __slots__ = ("_alone", "_hook", "_ours", "_pending", "_stats", "_then")

    def __init__(self, environment: Environment, ours: object) -> None:
        self._hook: EventHook = environment.events.request
        self._stats = environment.stats
        self._ours = ours
        self._then: list[Any] = []
        self._alone = False
        self._pending: defaultdict[tuple[str, str], tuple[list[float], list[int]]]
        self._pending = defaultdict(lambda: ([], []))

    @property
    def alone(self) -> bool:
        """Whether nobody but Locust's own statistics wants to be told."""
        listeners = self._hook._handlers  # noqa: SLF001  there is no other way to ask
        if listeners != self._then:
            self._then = listeners.copy()
            others = [each for each in listeners if each != self._ours]
            self._alone = len(others) == 1 and others[0].__qualname__ == _STATISTICS
        return self._alone

    def add(self, method: str, name: str, response_ms: float, length: int) -> None:
        """Have this request counted, before the hub looks at sockets and timers again."""
        if not self._pending:
            get_hub().loop.run_callback(self.flush)
        times_ms, lengths = self._pending[name, method]
        times_ms.append(response_ms)
        lengths.append(length)

    def flush(self) -> None:
        """Count what has been added."""
        pending, entries = dict(self._pending), self._stats.entries
        self._pending.clear()
        for key, (times_ms, lengths) in pending.items():
            rounded_ms = [locust.stats.bucket_response_time(each) for each in times_ms]
            for entry in (self._stats.total, entries[key]):
                _add(entry, times_ms, rounded_ms, lengths)


def batcher_of(environment: Environment, ours: object) -> StatsBatcher:
    """The one of this Locust process."""
    return _tallies.setdefault(environment, StatsBatcher(environment, ours))


_tallies: WeakKeyDictionary[Environment, StatsBatcher] = WeakKeyDictionary()


def _add(
    entry: StatsEntry, times_ms: list[float], rounded_ms: list[int], lengths: list[int]
) -> None:
    """As `StatsEntry.log` for each of them; one goes through it, for all that it does beside."""
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
