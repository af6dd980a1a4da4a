"""The protocol of executors, which start journeys on time: one class for each load model."""

from typing import Protocol

from straingauge.engine.virtual_user import VirtualUser


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
