"""Transactions: named parts of a journey that are timed as a whole."""

from time import monotonic_ns
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias

if TYPE_CHECKING:
    from straingauge.journey.user import User

TransactionEnd: TypeAlias = Literal["completed", "failed", "abandoned"]
"""Completed without a failed request; failed, by a request or an exception; or abandoned.

It is abandoned if its user was stopped in it: at the end of the load, by Ctrl-C or by Locust.
"""


class TransactionObserver(Protocol):
    """Counts the transactions of a user; set by the engine and by Locust users."""

    def transaction_start_ns(self) -> int:
        """Return the instant from which a transaction that begins now is timed."""

    def transaction_ended(
        self, transaction: "Transaction", end: TransactionEnd, ended_ns: int, /
    ) -> None:
        """Count a transaction that ended at this instant of `time.monotonic_ns`."""


class Transaction:
    """A named part of a journey; made by `User.transaction`, and used with ``with``.

    Attributes:
        name: Its name.
        begun_ns: When it began, an instant of `time.monotonic_ns`.
        paused_ns: Time spent in pauses of the journey so far.
        has_failed: A request has failed in it.
    """

    __slots__ = ("_paused_at_ns", "_user", "begun_ns", "has_failed", "name", "paused_ns")

    def __init__(self, name: str, user: "User") -> None:
        self.name = name
        self.begun_ns = 0
        self.paused_ns = 0
        self.has_failed = False
        self._paused_at_ns = 0
        self._user = user

    def pause(self, at_ns: int) -> None:
        """Begin a pause of the journey."""
        self._paused_at_ns = at_ns

    def resume(self, at_ns: int) -> None:
        """End the pause of the journey, if there is one."""
        if self._paused_at_ns:
            self.paused_ns += at_ns - self._paused_at_ns
            self._paused_at_ns = 0

    def __enter__(self) -> Self:
        user = self._user
        observer = user.observer
        self.begun_ns = monotonic_ns() if observer is None else observer.transaction_start_ns()
        user.open_transactions = (*user.open_transactions, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        user = self._user
        user.open_transactions = tuple(each for each in user.open_transactions if each is not self)
        if user.observer is None:
            return
        end: TransactionEnd = "completed"
        if self.has_failed or (kind is not None and issubclass(kind, Exception)):
            end = "failed"
        elif kind is not None:  # GeneratorExit: the journey was closed in it
            end = "abandoned"
        user.observer.transaction_ended(self, end, monotonic_ns())
