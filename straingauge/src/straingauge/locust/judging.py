"""A run seen from the side: the service is watched, the figures are judged, so far and at last."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from locust.env import Environment

from straingauge.locust.ending import Ended, Ending, Measured
from straingauge.observe import Observer, Watched

SO_FAR_SHARE: Final = 0.02  # of the time: a process that is alone sends nothing while it judges

Observe = Callable[[str], Observer]


class Judging:
    """Watches the service while a run is under way, and knows how the run stands.

    Args:
        environment: Locust's.
        ending: What is demanded of runs, and where their results go.
        observe: Makes what watches the service at an address.
        quiet_s: For how long it is watched after a run.

    Attributes:
        ended: The last run that was judged.
    """

    def __init__(
        self, environment: Environment, ending: Ending, observe: Observe, quiet_s: float
    ) -> None:
        self._environment = environment
        self._ending = ending
        self._observe = observe
        self._quiet_s = quiet_s
        self._observer: Observer | None = None
        self._so_far: Mapping[str, Any] | None = None
        self._next_so_far_s = 0.0
        self._shown = True
        self.ended: Ended | None = None

    def begin(self) -> None:
        """Another run begins."""
        self._so_far, self._next_so_far_s = None, 0.0

    def watch(self, host: str) -> None:
        """Begin to watch the service."""
        self._observer = self._observe(host)
        self._observer.__enter__()

    @property
    def watched(self) -> Watched | None:
        """What was seen of the service in this run."""
        return self._observer.watched() if self._observer else None

    def so_far(self, measured: Callable[[], Measured]) -> Mapping[str, Any] | None:
        """The run judged by what there is of it, anew if that does not take too much time."""
        began_s = time.monotonic()
        if began_s >= self._next_so_far_s:
            self._so_far = self._ending.so_far(measured())
            cost_s = time.monotonic() - began_s
            self._next_so_far_s = began_s + cost_s / SO_FAR_SHARE
        return self._so_far

    def rest(self, *, whole: bool) -> None:
        """The load is over: look on, if it came to its end, while the service comes to rest."""
        if self._observer is not None:
            try:
                if whole:
                    self._observer.rest(self._quiet_s)
            finally:
                self._observer.__exit__(None, None, None)

    def conclude(self, measured: Measured, *, show: bool) -> Ended:
        """Judge the run and write its result; the verdict is shown with a page at once."""
        self._observer = None
        self.ended, self._shown = self._ending.conclude(measured), not show
        self._environment.process_exit_code = self.ended.exit_code
        if self._environment.web_ui is not None:
            self.show()
        return self.ended

    def show(self) -> None:
        """Print the last verdict, once: beside the page at once, else after Locust's tables."""
        if self.ended is not None and not self._shown:
            self._shown = True
            sys.stdout.write(self.ended.table)
            sys.stdout.flush()
