"""A journey that only a few users play at a time."""

from collections.abc import Callable, Generator
from functools import wraps
from typing import Final

from straingauge.http import Response
from straingauge.journey.execution import Journey
from straingauge.journey.step import Pause, Step
from straingauge.journey.user import User

_LOOK_EVERY_S: Final = 0.02


def limit_concurrency(count: int) -> Callable[[Journey], Journey]:
    """The journey, by no more than so many users of this process at a time; others wait for a turn.

    A setup is no load: a service that checks passwords slowly, on purpose, must not be asked by
    all users at the same moment, however quickly they are spawned.

    Args:
        count: How many, 1 or more.
    """

    def gated(journey: Journey) -> Journey:
        busy = 0

        @wraps(journey)
        def in_turn(user: User) -> Generator[Step, Response, None]:
            nonlocal busy
            while busy >= count:
                yield Pause(_LOOK_EVERY_S)
            busy += 1
            try:
                yield from journey(user)
            finally:
                busy -= 1

        return in_turn

    return gated
