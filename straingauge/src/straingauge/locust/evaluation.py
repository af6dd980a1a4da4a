"""A run seen from the side: the service is watched, the figures are judged, so far and at last."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import gevent
from locust.env import Environment

from straingauge.locust.outcome import Ended, Measured, ResultBuilder
from straingauge.observe import Observations, Observer

SO_FAR_SHARE: Final = 0.05  # of the time: what judging takes, users cannot have

Observe = Callable[[str], Observer]


class LiveEvaluator:
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
        self, environment: Environment, ending: ResultBuilder, observe: Observe, quiet_s: float
    ) -> None:
        self._environment = environment
        self._ending = ending
        self._observe = observe
        self._quiet_s = quiet_s
        self._observer: Observer | None = None
        self._run = 0
        self._so_far: Mapping[str, Any] | None = None
        self._next_so_far_s = 0.0
        self._shown = True
        self.ended: Ended | None = None

    def begin(self) -> None:
        """Another run begins."""
        self._run += 1
        self._so_far, self._next_so_far_s = None, 0.0

    def watch(self, host: str) -> None:
        """Begin to watch the service."""
        self._observer = self._observe(host)
        self._observer.__enter__()

    @property
    def watched(self) -> Observations | None:
        """What was seen of the service in this run."""
        return self._observer.watched() if self._observer else None

    def so_far(self, measured: Callable[[], Measured]) -> Mapping[str, Any] | None:
        """The run judged by what there is of it, anew if that does not take too much time."""
        began_s, run = time.monotonic(), self._run
        if began_s >= self._next_so_far_s:
            self._next_so_far_s = math.inf  # till this is done, others get what there is
            so_far: Mapping[str, Any] | None = None
            try:
                self._ending.prepare()
                so_far = _aside(partial(self._ending.so_far, measured()))
            finally:
                if run == self._run:
                    cost_s = time.monotonic() - began_s
                    self._so_far, self._next_so_far_s = so_far, began_s + cost_s / SO_FAR_SHARE
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


def _aside(judge: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What comes of it in a thread: in this one, no user could send in the meantime."""

    def tried() -> dict[str, Any] | Exception:
        try:
            return judge()
        except Exception as error:  # noqa: BLE001  raised below; gevent would print it besides
            return error

    outcome = gevent.get_hub().threadpool.apply(tried)
    if isinstance(outcome, Exception):
        raise outcome
    found: dict[str, Any] = outcome
    return found
