"""One step of a journey: a request, a pause, a call, or a step of a WebSocket."""

from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

from straingauge.http import Request
from straingauge.http.websocket import SocketStep
from straingauge.journey.call import Call


@dataclass(frozen=True, slots=True)
class Pause:
    """Yielded by a journey to do nothing for a number of seconds.

    Attributes:
        seconds: The pause; 0 or less is none.

    Raises:
        ValueError: the number is not finite.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not isfinite(self.seconds):
            raise ValueError(f"a pause ends: not after {self.seconds} seconds")


Step: TypeAlias = Request | Pause | Call | SocketStep
