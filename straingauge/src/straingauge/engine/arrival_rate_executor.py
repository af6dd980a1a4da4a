"""The executor of the open model: arrivals leave on time (no coordinated omission)."""

from time import monotonic_ns
from typing import Final

from straingauge.engine.arrival_timer import make_timer
from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.run_context import RunContext
from straingauge.engine.virtual_user import VirtualUser
from straingauge.schedule import Arrivals
from straingauge.schedule import share as take_share

EARLY_NS: Final = 500_000
"""Arrivals that are due within this time leave together with one that is due.

Each wake-up of a process costs more than a request: caches and branch predictors are cold. Twice
this time is the bound for the 99th percentile of the start delay, and a tenth of it is what one
request costs. Below 2,000 arrivals per second in a process, hardly any two are that close.
"""


class ArrivalRateExecutor:
    """Open model: starts each arrival at its time, whatever the target does.

    This is what keeps response times free of coordinated omission: the intended start of an arrival
    comes from the schedule alone, never from when an earlier response was received.
    """

    def __init__(
        self,
        context: RunContext,
        dispatcher: Dispatcher,
        *,
        schedule: Arrivals,
        share: tuple[int, int],
        start_ns: int,
    ) -> None:
        self.is_over = False
        self._dispatcher = dispatcher
        self._i, self._n = share
        self._schedule = take_share(schedule, *share)
        self._start_ns = start_ns
        self._next = 0
        self._timer = make_timer(context.loop, self._due)

    def begin(self) -> None:
        """See `Executor`."""
        self._due()

    def release(self, user: VirtualUser) -> None:
        """See `Executor`."""
        self._dispatcher.release(user)

    def stop(self) -> None:
        """See `Executor`."""
        if not self.is_over:
            self.is_over = True
            self._timer.close()

    def _due(self) -> None:
        """Handle all arrivals whose time has come or is near, and wait for the next."""
        is_first = True
        while not self.is_over:
            after_s = self._schedule.arrivals(self._next)
            if after_s is None:
                self.stop()
                return
            intended_ns = self._start_ns + round(after_s * 1e9)
            if intended_ns > monotonic_ns() + (0 if is_first else EARLY_NS):
                self._timer.set(intended_ns)
                return
            self._dispatcher.dispatch(self._i + self._next * self._n, intended_ns)
            self._next += 1
            is_first = False
