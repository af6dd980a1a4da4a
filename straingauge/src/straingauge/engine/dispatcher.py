"""Matches arrivals with free players, first come, first served."""

from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from straingauge.engine.delay_histogram import DelayHistogram
from straingauge.engine.run_context import Channels
from straingauge.engine.virtual_user import VirtualUser
from straingauge.journey import Mix


class Dispatcher:
    """An arrival goes to the player that has been free the longest, or waits for the next one.

    Attributes:
        late: how long after its intended start each arrival was handled.
        waited: arrivals that found no free player.
        dropped: arrivals turned away, since too many waited already or it was over.
    """

    def __init__(
        self,
        players: list[VirtualUser],
        mix: Mix,
        channels_at: Callable[[int], Channels],
        most_waiting: int,
    ) -> None:
        self._free = deque(players)
        self._players = len(players)
        self._waiting: deque[tuple[int, int]] = deque()
        self._mix = mix
        self._channels_at = channels_at
        self._most_waiting = most_waiting
        self.late = DelayHistogram()
        self.waited = 0
        self.dropped = 0

    @property
    def idle(self) -> bool:
        """Nobody plays, nobody waits."""
        return len(self._free) == self._players

    def dispatch(self, n: int, intended_ns: int) -> None:
        """Arrival n of the whole schedule is due."""
        self.late.add(monotonic_ns() - intended_ns)
        if self._free:
            self._play(self._free.popleft(), n, intended_ns)
        elif len(self._waiting) < self._most_waiting:
            self.waited += 1
            self._waiting.append((n, intended_ns))
        else:
            self.dropped += 1

    def release(self, player: VirtualUser) -> None:
        """This player is free again."""
        if self._waiting:
            self._play(player, *self._waiting.popleft())
        else:
            self._free.append(player)

    def drop_queued(self) -> None:
        """Whoever still waits never starts."""
        self.dropped += len(self._waiting)
        self._waiting.clear()

    def _play(self, player: VirtualUser, n: int, intended_ns: int) -> None:
        player.begin(self._mix.pick(n), intended_ns, self._channels_at(intended_ns))
