"""Who starts a journey when: one starter for each model of load."""

from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol

from straingauge.engine.dispatcher import Dispatcher
from straingauge.engine.run_context import Channels, RunContext
from straingauge.engine.timer import make_timer
from straingauge.engine.virtual_user import VirtualUser
from straingauge.journey import Mix
from straingauge.schedule import Arrivals, ConstantUsers, Waves, share


class Executor(Protocol):
    """Starts the journeys of a run.

    Attributes:
        over: whether nothing will be started any more, but for arrivals that wait already.
    """

    over: bool

    def begin(self) -> None:
        """Start the first ones, or have them started."""

    def release(self, player: VirtualUser) -> None:
        """This player has finished its journey."""

    def stop(self) -> None:
        """Start no more."""


class ArrivalRateExecutor:
    """Arrivals at their times, whatever the target does."""

    def __init__(
        self,
        stage: RunContext,
        desk: Dispatcher,
        *,
        schedule: Arrivals,
        part: tuple[int, int],
        start_ns: int,
    ) -> None:
        self.over = False
        self._desk = desk
        self._i, self._n = part
        self._schedule = share(schedule, *part)
        self._start_ns = start_ns
        self._next = 0
        self._alarm = make_timer(stage.loop, self._due)

    def begin(self) -> None:
        """See `Starter`."""
        self._due()

    def release(self, player: VirtualUser) -> None:
        """See `Starter`."""
        self._desk.release(player)

    def stop(self) -> None:
        """See `Starter`."""
        if not self.over:
            self.over = True
            self._alarm.close()

    def _due(self) -> None:
        """Handle all arrivals whose time has come, and wait for the next."""
        while not self.over:
            after_s = self._schedule.arrivals(self._next)
            if after_s is None:
                self.stop()
                return
            intended_ns = self._start_ns + round(after_s * 1e9)
            if intended_ns > monotonic_ns():
                self._alarm.set(intended_ns)
                return
            self._desk.dispatch(self._i + self._next * self._n, intended_ns)
            self._next += 1


class WaveExecutor:
    """Wave upon wave, each when its time has come and the one before it has ended."""

    def __init__(
        self,
        stage: RunContext,
        desk: Dispatcher,
        *,
        waves: Waves,
        part: tuple[int, int],
        start_ns: int,
        enough: Callable[[], bool],
    ) -> None:
        # The i-th share has every n-th place of each wave; beyond the last place there is none.
        self.over = part[0] >= waves.concurrent
        self._desk = desk
        self._waves = waves
        self._i, self._n = part
        self._start_ns = start_ns
        self._enough = enough
        self._wave = 0
        self._due_ns = start_ns
        self._alarm = make_timer(stage.loop, self._due)

    def begin(self) -> None:
        """See `Starter`."""
        if not self.over:
            self._alarm.set(self._due_ns)

    def release(self, player: VirtualUser) -> None:
        """See `Starter`."""
        self._desk.release(player)
        if self._desk.idle and not self.over:
            waves = self._waves
            ended_ns = monotonic_ns()
            if self._wave >= waves.at_least and self._enough():
                self.stop()
            else:
                planned_ns = self._start_ns + round(self._wave * waves.every_s * 1e9)
                self._due_ns = max(planned_ns, ended_ns)
                self._alarm.set(self._due_ns)

    def stop(self) -> None:
        """See `Starter`."""
        if not self.over:
            self.over = True
            self._alarm.close()

    def _due(self) -> None:
        first = self._wave * self._waves.concurrent
        self._wave += 1
        last = self._wave == self._waves.at_most
        mine = range(first + self._i, first + self._waves.concurrent, self._n)
        if last:
            self.stop()
        for n in mine:
            self._desk.dispatch(n, self._due_ns)


class ConstantUsersExecutor:
    """Users that play again and again."""

    def __init__(
        self,
        stage: RunContext,
        players: list[VirtualUser],
        *,
        users: ConstantUsers,
        mix: Mix,
        channels_at: Callable[[int], Channels],
        start_ns: int,
    ) -> None:
        self.over = not players
        self._stage = stage
        self._players = players
        self._left = len(players)
        self._users = users
        self._mix = mix
        self._channels_at = channels_at
        self._start_ns = start_ns

    def begin(self) -> None:
        """See `Starter`."""
        loop = self._stage.loop
        for player in self._players:
            begins_ns = self._start_ns + round(
                self._users.begins(player.user.index % self._users.count) * 1e9
            )
            delay_s = (begins_ns - monotonic_ns()) / 1e9
            loop.call_later(max(delay_s, 0), self._again, player)

    def release(self, player: VirtualUser) -> None:
        """See `Starter`."""
        users = self._users
        if self.over:
            return
        if users.iterations is not None and player.played >= users.iterations:
            self._left -= 1
            self.over = not self._left
        elif users.think_s:
            think_s = player.user.random.uniform(*users.think_range_s)
            self._stage.loop.call_later(think_s, self._again, player)
        else:
            self._again(player)

    def stop(self) -> None:
        """See `Starter`."""
        self.over = True

    def _again(self, player: VirtualUser) -> None:
        if not self.over:
            journey = self._mix.pick(player.user.index + player.played)
            now_ns = monotonic_ns()
            player.begin(journey, now_ns, self._channels_at(now_ns))
