"""The timeouts of requests: looked for in intervals, so that they cost nothing per request."""

from collections.abc import Iterable

from straingauge.engine.virtual_user import VirtualUser


def expire_timeouts(users: Iterable[VirtualUser], now_ns: int) -> None:
    """Fail each request whose deadline has passed.

    Args:
        users: The virtual users; `VirtualUser.deadline_ns` is 0 without a request in flight.
        now_ns: The present, of `time.monotonic_ns`.
    """
    for user in users:
        if 0 < user.deadline_ns < now_ns:
            user.time_out()
