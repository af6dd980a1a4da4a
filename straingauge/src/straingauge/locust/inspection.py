"""The inside of the service during a run: its profile, and the exceptions in its log."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import gevent
from gevent import Greenlet

from straingauge.errors import StraingaugeError
from straingauge.locust.threads import run_in_thread
from straingauge.profile import ProfilerProcess, find_log, is_started_here
from straingauge.result.format.exceptions import RaisedException
from straingauge.result.format.profile import Profile

COUNT_S: Final = 0.1  # between two numbers of responses: a pause is seen from 250 ms on


@dataclass(frozen=True, slots=True)
class InspectionOptions:
    """Settings of an inspection.

    Attributes:
        server_pid: Parent process of the service, if it cannot be found by its port.
        profile: Profile it; None if it was started by `straingauge serve` only.
        load_s: Duration of the load; None if unknown.
        answered: Returns the number of requests answered so far; None if this process does not
            send them itself.
    """

    server_pid: int | None
    profile: bool | None
    load_s: float | None
    answered: Callable[[], int] | None


class Inspection:
    """Looks inside the service at a URL from its creation to `end`.

    Nothing of it ends a run: without a profile there is none in the result.

    Args:
        url: The URL of the service.
        options: How to look.
    """

    def __init__(self, url: str, options: InspectionOptions) -> None:
        self._profiler: ProfilerProcess | None = None
        self._counting: Greenlet | None = None
        self._log = find_log(url, options.server_pid)
        wanted = options.profile
        if wanted is None:
            wanted = is_started_here(url, options.server_pid)
        if not wanted:
            return
        try:
            self._profiler = ProfilerProcess(
                url, options.server_pid, options.load_s, is_requested=options.profile is True
            )
        except (OSError, StraingaugeError):
            return
        self._profiler.begin()
        if options.answered is not None:
            self._counting = gevent.spawn(self._count, self._profiler, options.answered)

    def end(self) -> None:
        """End, at the end of the load."""
        if self._counting is not None:
            self._counting.kill()
        if self._profiler is not None:
            self._profiler.end()

    def profile(self) -> Profile | None:
        """Return the profile, once, after the end; None if the service was not profiled."""
        profiler, self._profiler = self._profiler, None
        return profiler.profile() if profiler is not None else None

    def exceptions(self) -> tuple[RaisedException, ...]:
        """Return the exceptions that the service has logged during the load."""
        return tuple(run_in_thread(self._log.exceptions)) if self._log is not None else ()

    @staticmethod
    def _count(profiler: ProfilerProcess, answered: Callable[[], int]) -> None:
        while True:
            profiler.set_answered(answered())
            gevent.sleep(COUNT_S)
