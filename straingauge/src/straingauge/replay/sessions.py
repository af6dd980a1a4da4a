"""The users that send the sessions of a log, each of them as a whole."""

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A response that takes longer delays the next session of its user; that counts as response time.
GAP_NS: Final = 5_000_000_000


def assign_users(
    at_ns: "NDArray[np.int64]", session: "NDArray[np.uint32]", most: int
) -> "tuple[NDArray[np.uint32], int]":
    """Give each session to a user; a user that has ended one can begin another.

    Sessions are intervals, from their first to their last request. In the order of their starts,
    each goes to the user that has been free the longest, and to a new one if there is none: so
    there are as few users as sessions at once (interval partitioning, Kleinberg and Tardos,
    Algorithm Design, section 4.1).

    Args:
        at_ns: Starts of the requests after the start of the load, ascending.
        session: Number of the session of each request.
        most: Number of users. Further sessions share a user with one that has not ended.

    Returns:
        The user of each session by its number, and how many sessions share theirs with another at
        the same time.
    """
    count = int(session.max()) + 1
    first, last = np.full(count, -1, dtype=np.int64), np.zeros(count, dtype=np.int64)
    last[session] = at_ns  # of several, the last one stays
    first[session[::-1]] = at_ns[::-1]
    users = np.zeros(count, dtype=np.uint32)
    ends: list[tuple[int, int]] = []
    shared = 0
    for number in np.argsort(first, kind="stable").tolist():
        begin_ns = int(first[number])
        if begin_ns < 0:  # all its requests were skipped
            continue
        end_ns, user = 0, len(ends)
        if ends and (len(ends) >= most or ends[0][0] + GAP_NS < begin_ns):
            end_ns, user = heappop(ends)
            shared += end_ns >= begin_ns
        users[number] = user
        heappush(ends, (max(end_ns, int(last[number])), user))
    return users, shared
