"""Log-in of users before a load."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Final

from straingauge.errors import StraingaugeError, TargetError
from straingauge.feeders import FeederEnd
from straingauge.http import ErrorKind, RequestFailed, Response
from straingauge.journey import Journey, Step, User, limit_concurrency
from straingauge.recording import Record
from straingauge.redaction import redact

MAX_CONCURRENT_LOGINS = 16  # per process: checking a password is slow on purpose
LOGIN_MAX_AGE_S = 600.0  # older ones are repeated, so that no token expires during a load


_CHECK: Final = "check the account that the load uses, and the service's log"


def log_in_advice(failure: Exception) -> str:
    """Return what to do about a log-in that failed."""
    if not isinstance(failure, RequestFailed) or failure.kind != ErrorKind.RATE_LIMITED:
        return _CHECK
    return "log fewer users in, return another account for each index, or raise the service's limit"


@dataclass(slots=True)
class LoginCache:
    """The users that have logged in in this process, and when; kept over tests."""

    _logged_in_at_s: dict[int, float] = field(default_factory=dict)

    def missing(self, users: Iterable[User]) -> list[User]:
        """Return the users that have not logged in, or too long ago."""
        oldest_s = max(time.monotonic() - LOGIN_MAX_AGE_S, 0.0)
        return [user for user in users if self._logged_in_at_s.get(id(user), -1.0) < oldest_s]

    def clear(self) -> None:
        """Record that all users are logged out."""
        self._logged_in_at_s.clear()

    def remove(self, users: Iterable[User]) -> None:
        """Record that these users are logged out."""
        for user in users:
            self._logged_in_at_s.pop(id(user), None)

    def add(self, users: Iterable[User]) -> None:
        """Record that these users have just logged in."""
        self._logged_in_at_s.update((id(user), time.monotonic()) for user in users)


class Login:
    """One attempt to log users in.

    A request that failed and that the journey repeated is no failed log-in. The first log-in that
    gives up ends the attempt, since the others are likely to fail in the same way.

    Args:
        journey: The log-in journey.
        users: The users.

    Attributes:
        journey: The same journey, observed; each user must run it once.
        users: The users.
        completed: The users that came to its end.
    """

    def __init__(self, journey: Journey, users: Sequence[User]) -> None:
        self.journey = limit_concurrency(MAX_CONCURRENT_LOGINS)(self._observe(journey))
        self.completed: list[User] = []
        self.users = users
        self._errors: list[Exception] = []

    def has_failed(self) -> bool:
        """Return whether a user has given up."""
        return bool(self._errors)

    def require_complete(self, url: str, record: Record) -> None:
        """Check that all users have logged in.

        Args:
            url: Base URL of the service, for the message.
            record: The record of the attempt, in the phase "setup".

        Raises:
            FeederEnd: There were fewer rows than users.
            TargetError: A user has not; its message gives the first reason known.
        """
        for error in self._errors:
            if isinstance(error, FeederEnd):
                raise error
            if isinstance(error, StraingaugeError):
                raise TargetError(f"a user could not log in at {url}: {error}", hint=error.hint)
        failures = [error for error in self._errors if isinstance(error, RequestFailed)]
        if failures:
            text = redact(f"a user could not log in at {url}: {failures[0]}")
            raise TargetError(text, hint=log_in_advice(failures[0]))
        if len(self.completed) < len(self.users):
            missing = f"{len(self.users) - len(self.completed)} of {len(self.users)}"
            examples = record.total("setup").examples
            last = [f"{each.kind}: {each.detail}" for each in examples[-1:]]
            reason = last[0] if last else f"{missing} log-ins did not end in time"
            raise TargetError(f"a user could not log in at {url}: {reason}", hint=_CHECK)

    def _observe(self, journey: Journey) -> Callable[[User], Generator[Step, Response, None]]:
        @wraps(journey)
        def observed(user: User) -> Generator[Step, Response, None]:
            user.begin_log_in()
            try:
                yield from journey(user)
            except Exception as error:
                self._errors.append(error)
                raise
            user.end_log_in()
            self.completed.append(user)

        return observed
