"""A limit on how many users run a journey at the same time."""

from collections.abc import Callable, Generator
from functools import wraps
from typing import Final

from straingauge.http import Response
from straingauge.journey.execution import Journey
from straingauge.journey.step import Pause, Step
from straingauge.journey.user import User

_POLL_S: Final = 0.02


def limit_concurrency(count: int) -> Callable[[Journey], Journey]:
    """Decorate a journey so that at most `count` users of this process run it at the same time.

    Others wait. It is meant for log-ins: a service that checks passwords slowly, on purpose, must
    not get those of all users at once, however quickly the users are spawned.

    Args:
        count: number of users, 1 or more.
    """

    def decorate(journey: Journey) -> Journey:
        busy = 0

        @wraps(journey)
        def limited(user: User) -> Generator[Step, Response, None]:
            nonlocal busy
            while busy >= count:
                yield Pause(_POLL_S)
            busy += 1
            try:
                yield from journey(user)
            finally:
                busy -= 1

        return limited

    return decorate
