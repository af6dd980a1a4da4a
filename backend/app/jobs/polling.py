"""The queue's driver behind a pooler, where notifications of PostgreSQL do not arrive."""

from datetime import timedelta

import asyncpg
from pgqueuer import AsyncpgDriver
from pgqueuer.ports.driver import NotifyCallback

POLL_INTERVAL = timedelta(seconds=1)
"""Longest wait of a new job for an idle worker, which a notification would end at once."""


class PollingDriver(AsyncpgDriver):
    """A driver that never listens: LISTEN would stay on a connection that others use.

    It delivers this process's own notifications itself, among them pgqueuer's check that the
    listener is alive. Jobs are found by polling.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__(connection)
        self._callbacks: list[tuple[str, NotifyCallback]] = []

    async def notify(self, channel: str, payload: str) -> None:
        """Send a notification to listeners elsewhere and in this process."""
        await super().notify(channel, payload)
        for name, callback in self._callbacks:
            if name == channel:
                callback(payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Register a callback for the notifications of this process."""
        self._callbacks.append((channel, callback))

    async def remove_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Remove a callback."""
        self._callbacks.remove((channel, callback))
