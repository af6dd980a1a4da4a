"""The timeouts of requests: looked for in intervals, so that they cost nothing per request."""

from collections.abc import Iterable

from straingauge.engine.virtual_user import VirtualUser
from straingauge.http.exchange import first_byte_timeout_failure


def expire_timeouts(users: Iterable[VirtualUser], now_ns: int) -> None:
    """Fail each request whose deadline has passed.

    Args:
        users: The virtual users; `VirtualUser.deadline_ns` is 0 without a request in flight.
        now_ns: The present, of `time.monotonic_ns`.
    """
    for user in users:
        if 0 < user.deadline_ns < now_ns:
            user.time_out()


def expire_first_byte_timeouts(users: Iterable[VirtualUser], timeout_s: float, now_ns: int) -> None:
    """Fail each request that was sent longer ago than this and whose response has not begun."""
    timeout_ns = int(timeout_s * 1e9)
    for user in users:
        connection = user.connection
        since_ns = 0 if connection is None else connection.unanswered_since_ns
        if since_ns and user.deadline_ns and since_ns + timeout_ns < now_ns:
            user.give_up(first_byte_timeout_failure(timeout_s), since_ns + timeout_ns)
