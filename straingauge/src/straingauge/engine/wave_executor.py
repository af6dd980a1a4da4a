"""The executor of waves: many requests at one instant, again and again."""

from collections.abc import Callable
from time import monotonic_ns

from straingauge.engine.arrival_timer import make_timer
from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.run_context import RunContext
from straingauge.engine.virtual_user import VirtualUser
from straingauge.schedule import Waves


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
