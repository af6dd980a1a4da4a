"""A recording: the requests of an access log as a schedule and journeys."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from straingauge.http import Request
from straingauge.http.redirects import path_pattern
from straingauge.journey import Journey, Mix, User
from straingauge.replay.request import RecordedRequest
from straingauge.replay.request_table import RequestTable
from straingauge.replay.summary import LogSummary
from straingauge.schedule import Recorded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUCCESS: Final = frozenset(range(200, 400))
_CLIENT_ERRORS: Final = range(400, 500)
_RATE_LIMITED: Final = 429


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Requests of a log that are to be sent.

    Attributes:
        table: The requests, in the order of the log.
        order: Their places in the table, in the order of the schedule.
        schedule: When each is due, and by which user.
        summary: What was read and skipped.
    """

    table: RequestTable
    order: "NDArray[np.int64]"
    schedule: Recorded
    summary: LogSummary

    def journeys(self, name: str) -> Mix:
        """Return the journeys, of one request each; reports call them by this name."""
        return RecordedJourneys(self, name)


class RecordedJourneys(Mix):
    """One journey for each request of a recording."""

    __slots__ = ("_recording",)

    def __init__(self, recording: Recording, name: str) -> None:
        self._recording = recording
        first = self.pick(0)
        first.__name__ = name
        super().__init__(((first, 1),))

    def pick(self, n: int) -> Journey:
        """Return the journey of request n of the schedule; after the last one, the first again."""
        order, table = self._recording.order, self._recording.table
        place = int(order[n % len(order)])

        def replay(user: User) -> Generator[Request, Any, None]:
            session = table.session[place]
            if user.data.get("session") != session:
                user.data["session"] = session
                user.begin_log_in()  # without the cookies of another session
            yield make_request(user, table.request(place))

        return replay


def make_request(user: User, request: RecordedRequest) -> Request:
    """Return the request of a user that repeats a recorded one."""
    return user.request(
        request.method,
        request.target,
        name=endpoint_name(request),
        headers=request.headers,
        content=request.body,
        expect=expected_statuses(request.status),
    )


def endpoint_name(request: RecordedRequest) -> str:
    """Return method and path, with {id} for what is different each time."""
    return f"{request.method} {path_pattern(request.path, '')}"


def expected_statuses(status: int) -> frozenset[int]:
    """Return the statuses that are fine: success, redirects, and a client error as recorded.

    An error of the service in the log is not asked for again, and neither is a 429.
    """
    if status in _CLIENT_ERRORS and status != _RATE_LIMITED:
        return _SUCCESS | {status}
    return _SUCCESS
