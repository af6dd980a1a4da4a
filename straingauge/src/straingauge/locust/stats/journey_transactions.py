"""The transactions of one Locust user: in the result, in Locust's table, and as an event."""

from time import monotonic_ns
from typing import Final, Protocol

from locust.env import Environment
from locust.event import EventHook

from straingauge.journey import Transaction, TransactionEnd, User
from straingauge.locust.session import Session
from straingauge.redaction import redact

TRANSACTION: Final = "TRANSACTION"
"""The type of transactions in Locust's table; they are not in its totals, which are of requests."""

transaction_ended: Final = EventHook()
"""Fired when a transaction has ended, in the process of its user.

Its listeners get ``name``; ``end`` ("completed", "failed" or "abandoned"); ``response_time``, in ms
without the pauses of the journey; ``duration``, in ms with them; and ``user``, the Locust user.
"""


class Owner(Protocol):
    """The user whose transactions these are; see `JourneyUser`."""

    environment: Environment
    journey_user: User
    journey_phase: str
    due_ns: int | None


class JourneyTransactions:
    """Counts the transactions of one user; see `journey.TransactionObserver`."""

    __slots__ = ("_owner", "_session")

    def __init__(self, owner: Owner, session: Session) -> None:
        self._owner = owner
        self._session = session

    def transaction_start_ns(self) -> int:
        """Return when the task run was due, if nothing was sent in it yet, else now."""
        return self._owner.due_ns or monotonic_ns()

    def transaction_ended(
        self, transaction: Transaction, end: TransactionEnd, ended_ns: int
    ) -> None:
        """Count a transaction."""
        owner = self._owner
        recording = self._session.stats.recording
        recording.add_transaction(owner.journey_phase, transaction, end, ended_ns)
        duration_ms = (ended_ns - transaction.begun_ns) / 1e6
        response_ms = duration_ms - transaction.paused_ns / 1e6
        name = redact(transaction.name)
        stats = owner.environment.stats
        if end == "completed":
            # Of the entry alone: `log_request` would count a request in the totals as well.
            stats.entries[name, TRANSACTION].log(response_ms, 0)  # type: ignore[arg-type]  # as floats
        elif end == "failed":
            entry = stats.entries[name, TRANSACTION]
            entry.log(response_ms, 0)  # type: ignore[arg-type]
            entry.log_error("a request in it failed")
        transaction_ended.fire(
            name=name, end=end, response_time=response_ms, duration=duration_ms, user=owner
        )
