"""Executors: start journeys on time, one class for each load model; see also `user_executors`."""

from collections.abc import Callable
from time import monotonic_ns
from typing import Final, Protocol

from straingauge.engine.arrival_timer import make_timer
from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.run_context import RunContext
from straingauge.engine.virtual_user import VirtualUser
from straingauge.schedule import Arrivals, Waves
from straingauge.schedule import share as take_share

EARLY_NS: Final = 500_000
"""Arrivals that are due within this time leave together with one that is due.

Each wake-up of a process costs more than a request: caches and branch predictors are cold. Twice
this time is the bound for the 99th percentile of the start delay, and a tenth of it is what one
request costs. Below 2,000 arrivals per second in a process, hardly any two are that close.
"""


class Executor(Protocol):
    """Starts the journeys of a run.

    Attributes:
        is_over: nothing will be started any more, except for arrivals that wait already.
    """

    is_over: bool

    def begin(self) -> None:
        """Start or schedule the first journeys."""

    def release(self, user: VirtualUser) -> None:
        """Handle a user that has finished its journey."""

    def stop(self) -> None:
        """Start no further journey."""


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


class WaveExecutor:
    """Starts wave after wave, each at its time, but not before the previous one has ended."""

    def __init__(
        self,
        context: RunContext,
        dispatcher: Dispatcher,
        *,
        waves: Waves,
        share: tuple[int, int],
        start_ns: int,
        stop_early: Callable[[], bool],
    ) -> None:
        # Share i has every n-th arrival of each wave; a wave may have fewer arrivals than shares.
        self.is_over = share[0] >= waves.concurrent
        self._dispatcher = dispatcher
        self._waves = waves
        self._i, self._n = share
        self._start_ns = start_ns
        self._stop_early = stop_early
        self._wave = 0
        self._due_ns = start_ns
        self._timer = make_timer(context.loop, self._due)

    def begin(self) -> None:
        """See `Executor`."""
        if not self.is_over:
            self._timer.set(self._due_ns)

    def release(self, user: VirtualUser) -> None:
        """See `Executor`."""
        self._dispatcher.release(user)
        if self._dispatcher.is_idle and not self.is_over:
            waves = self._waves
            ended_ns = monotonic_ns()
            if self._wave >= waves.at_least and self._stop_early():
                self.stop()
            else:
                planned_ns = self._start_ns + round(self._wave * waves.every_s * 1e9)
                self._due_ns = max(planned_ns, ended_ns)
                self._timer.set(self._due_ns)

    def stop(self) -> None:
        """See `Executor`."""
        if not self.is_over:
            self.is_over = True
            self._timer.close()

    def _due(self) -> None:
        first = self._wave * self._waves.concurrent
        self._wave += 1
        last = self._wave == self._waves.at_most
        numbers = range(first + self._i, first + self._waves.concurrent, self._n)
        if last:
            self.stop()
        for n in numbers:
            self._dispatcher.dispatch(n, self._due_ns)
