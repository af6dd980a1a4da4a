"""Journeys and findings that test the rate limit.

One user sends requests until it is refused, checks that its other connections are refused, too, and
waits for Retry-After. Other users must not be affected.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts import Steps, StepsReturning, ensure_logged_in, unused_account
from checks import if_success, is_list_of
from limits import parse

from straingauge import Finding, Grade, Pause, Request, RequestFailed, Response, User, tagged

_RATE = parse(os.environ.get("RATE_LIMIT_DEFAULT", "100/minute"))
LIMIT, WINDOW_S = _RATE.amount, _RATE.get_expiry()
"""Requests that a user may send in a window of this length. The service reads the same setting."""

BURST = LIMIT + LIMIT // 2
MAX_BURST = 5 * LIMIT
"""Requests after which the search for the limit ends, if the window has not ended before."""

UNAFFECTED_USERS = 10
OTHER_CONNECTIONS = 40
USERS = 1 + UNAFFECTED_USERS + OTHER_CONNECTIONS
UNAFFECTED_REQUESTS = 10
UNAFFECTED_INTERVAL_S = 0.2
OTHER_CONNECTIONS_S = 0.5
"""Time over which the other connections are spread, while user 0 continues to send: the process
that serves user 0 is busy, so other processes accept some of them. All at once would go to one.
"""

LEAST_SHARE = 0.25
"""Share of these connections that reach another process, at least, if there is one."""

EARLY_S = 2
ROUNDING_S = 1
"""Retry-After is rounded up to whole seconds, so a user may be served this long before its end."""

ENDPOINT = "GET /api/sessions/"
OTHER_USERS_ENDPOINT = "GET /api/sessions/ (other users)"
OTHER_CONNECTIONS_ENDPOINT = "GET /api/sessions/ (other connections)"
_IS_LIST = if_success(is_list_of("id"))


@dataclass(slots=True)
class Refusal:
    """The first 429 of a burst.

    Attributes:
        served: Number of requests served before it.
        failed: Number of requests failed before it, which the limiter may or may not have counted.
        sent_s: Time at which the request was sent, on `time.monotonic`.
        received_s: Time at which the response was received.
        response: The response.
        window_open_until_s: Time until which the window is certainly open.
    """

    served: int
    failed: int
    sent_s: float
    received_s: float
    response: Response
    window_open_until_s: float

    @property
    def retry_after_s(self) -> int | None:
        """Value of Retry-After; None if it is not a positive number."""
        value = self.response.headers.get("Retry-After", "")
        return int(value) if value.isdecimal() and int(value) > 0 else None


_bursts: dict[str, Refusal | None] = {}
"""Result of the burst by e-mail address, for the other connections of the same user."""


def account(index: int) -> Mapping[str, Any]:
    """Return the account of a user; the last users share user 0's account."""
    if index <= UNAFFECTED_USERS:
        return unused_account(index)
    return {**unused_account(0), "is_other_connection": True}


@tagged("rate_limit")
def run(user: User) -> Steps:
    """Run the journey of a user: exhaust the limit, connect again, or be unaffected."""
    if "is_other_connection" in user.data:
        yield from other_connection(user)
    else:
        yield from (unaffected_user if user.index else exhaust_limit)(user)


def exhaust_limit(user: User) -> Steps:
    """Send at least 1.5 times the limit in one new window, without pauses."""
    email = user.data["email"]
    _bursts.pop(email, None)
    try:
        yield from ensure_logged_in(user)
        yield from _burst(user)
    finally:
        _bursts.setdefault(email, None)


def _burst(user: User) -> Steps:
    """Send requests within one window; later responses do not depend on its limit."""
    sent_s = started_s = time.monotonic()
    response = yield from _try_list(user)
    if response is not None and not _is_first_of_window(response):
        yield Pause(WINDOW_S)  # this account was used before
        sent_s = started_s = time.monotonic()
        response = yield from _try_list(user)
    user.data |= {"first_response": response, "refusal": None, "served": 0, "let_through": 0}
    failed = 0
    for number in range(1, MAX_BURST + 1):
        if time.monotonic() - started_s >= WINDOW_S:
            return
        failed += response is None
        if response is not None and response.status == 200:
            user.data["served"] += 1
            user.data["let_through"] += user.data["refusal"] is not None
        elif response is not None and user.data["refusal"] is None:
            served, now_s = user.data["served"], time.monotonic()
            refusal = Refusal(served, failed, sent_s, now_s, response, started_s + WINDOW_S)
            user.data["refusal"] = _bursts[user.data["email"]] = refusal
        if number >= BURST and _is_done(user.data["refusal"]):
            return
        sent_s = time.monotonic()
        response = yield from _try_list(user)


def _is_done(refusal: Refusal | None) -> bool:
    return refusal is not None and time.monotonic() > refusal.received_s + OTHER_CONNECTIONS_S


def _try_list(user: User) -> StepsReturning[Response | None]:
    """Request the list; return None if the request failed (it is counted)."""
    try:
        return (yield _list(user))
    except RequestFailed:
        return None


def unaffected_user(user: User) -> Steps:
    """Send requests well below the limit and count refusals."""
    yield from ensure_logged_in(user)
    for _ in range(UNAFFECTED_REQUESTS):
        response = yield _list(user, name=OTHER_USERS_ENDPOINT)
        if response.status == 429:
            user.data["refused"] = user.data.get("refused", 0) + 1
        elif "refused" not in user.data:
            user.data["served"] = user.data.get("served", 0) + 1
        yield Pause(UNAFFECTED_INTERVAL_S)


def other_connection(user: User) -> Steps:
    """Send a request of user 0 on another connection after it has been refused."""
    yield from ensure_logged_in(user)
    while user.data["email"] not in _bursts:
        yield Pause(0.02)
    refusal = _bursts[user.data["email"]]
    if refusal is None:
        return
    yield Pause(user.random.uniform(0, OTHER_CONNECTIONS_S))
    response = yield _list(user, name=OTHER_CONNECTIONS_ENDPOINT)
    if time.monotonic() < refusal.window_open_until_s:
        user.data["other_connection_status"] = response.status


def honor_retry_after(user: User) -> Steps:
    """Wait for Retry-After, and send a request shortly before its end and one at its end."""
    refusal = user.data.get("refusal")
    if refusal is None or refusal.retry_after_s is None:
        return
    if refusal.retry_after_s > WINDOW_S:
        return  # wrong, and possibly an hour
    end_s = refusal.received_s + refusal.retry_after_s
    refused_until_s = refusal.sent_s + refusal.retry_after_s - ROUNDING_S
    yield Pause(max(0.0, end_s - EARLY_S - time.monotonic()))
    if time.monotonic() < refused_until_s:
        early = yield _list(user, name=f"{ENDPOINT} before Retry-After")
        if time.monotonic() < refused_until_s:
            user.data["early_status"] = early.status
    yield Pause(max(0.0, end_s - time.monotonic()))
    after = yield _list(user, name=f"{ENDPOINT} after Retry-After")
    user.data["after_status"] = after.status


def findings(users: Sequence[User]) -> Iterator[Finding]:
    """Evaluate all users: the burst of user 0, unaffected users and other connections."""
    bursts = [user for user in users if user.index == 0]
    for user in bursts:
        yield from burst_findings(user)
    yield from unaffected_findings(
        [user for user in users if user.index and "is_other_connection" not in user.data],
        max((user.data.get("served", 0) for user in bursts), default=0),
    )
    key = "other_connection_status"
    statuses = [user.data[key] for user in users if key in user.data]
    if statuses:
        served = statuses.count(200)
        # One connection belongs to one process, and of two processes each gets about half of them.
        is_leaky = served < LEAST_SHARE * len(statuses) or any(
            user.data.get("let_through") for user in bursts
        )
        reason = "the limiter lets some through" if is_leaky else "each process counts separately"
        problem = (
            f"{served} of {len(statuses)} requests of the same user on other connections were"
            f" served while it was refused: {reason}"
        )
        cause = "rate_limiter_loose" if is_leaky else "rate_limiter_per_process"
        yield _finding("other connections", problem if served else "", cause)


def unaffected_findings(users: Sequence[User], most_served: int = 0) -> Iterator[Finding]:
    """Evaluate users that stayed below the limit.

    Args:
        users: These users.
        most_served: Requests of another user that were served before its first refusal. A user that
            is refused after much fewer does not have the same limit for itself: they share one.
    """
    if not users:
        return
    refused = [user for user in users if user.data.get("refused")]
    count = sum(user.data["refused"] for user in refused)
    earliest = min((user.data.get("served", 0) for user in refused), default=0)
    is_shared = 2 * earliest < most_served
    problem = f"{count} of their requests were refused, too"
    if is_shared:
        problem += f", the first after {earliest}, when another user was served {most_served}"
    cause = "rate_limiter_shared" if is_shared else "rate_limiter_tight"
    yield _finding("other users", problem if refused else "", cause)


def burst_findings(user: User) -> Iterator[Finding]:
    """Evaluate the burst of a user: the limit, its headers and Retry-After."""
    if user.data.get("first_response") is None:
        yield _finding("first 429", "the first request of the burst failed, see the errors")
        return
    problem = _missing_headers(user.data["first_response"])
    yield _finding("RateLimit headers", problem, "rate_limiter_untrue")
    refusal: Refusal | None = user.data["refusal"]
    if refusal is None:
        yield _never_refused(user.data["served"])
        return
    is_tight, is_loose = refusal.served + refusal.failed < LIMIT, refusal.served > LIMIT
    yield _finding(
        "first 429",
        f"after {refusal.served} requests, not {LIMIT}" if is_tight or is_loose else "",
        "rate_limiter_tight" if is_tight else "rate_limiter_loose",
    )
    let_through = user.data["let_through"]
    problem = f"{let_through} more requests were served before the end of the window"
    yield _finding("after the 429", problem if let_through else "", "rate_limiter_loose")
    response = refusal.response
    problem = _missing_headers(response)
    yield _finding("RateLimit headers of the 429", problem, "rate_limiter_untrue")
    problem = _retry_after_problem(user, refusal)
    yield _finding("Retry-After", problem, "rate_limiter_untrue")
    is_json = response.headers.get("Content-Type", "").startswith("application/json")
    yield _finding("429 body", "" if is_json else f"not JSON but {response.text[:80]!r}")


def _never_refused(served: int) -> Finding:
    """Report a missing limit, or that the limit was not reached."""
    if served <= LIMIT:
        message = f"first 429: only {served} requests were served in {WINDOW_S} s"
        return Finding("first 429", "no_data", message)
    problem = f"none in {served} requests of one user: is the limiter off?"
    return _finding("first 429", problem, "rate_limiter_absent")


def _retry_after_problem(user: User, refusal: Refusal) -> str:
    """Return a description of what is wrong with Retry-After, or an empty string."""
    value = refusal.response.headers.get("Retry-After", "missing")
    if refusal.retry_after_s is None:
        return f"{value} on the 429, so clients do not know when to retry"
    if refusal.retry_after_s > WINDOW_S:
        return f"{value} s, but the window is {WINDOW_S} s"
    if user.data.get("early_status") == 200:
        return f"{value} s, but the user was served more than {ROUNDING_S} s before its end"
    if user.data.get("after_status") == 429:
        return f"{value} s, but the user was refused again after it"
    return ""


def _list(user: User, *, name: str = ENDPOINT) -> Request:
    return user.get("/api/sessions/", name=name, expect=[200, 429], checks=[_IS_LIST])


def _is_first_of_window(response: Response) -> bool:
    """Check by the RateLimit headers that a request was the first of a window."""
    headers = (f"RateLimit-{name}" for name in ("Limit", "Remaining"))
    limit, remaining = (response.headers.get(name, "") for name in headers)
    is_known = limit.isdecimal() and remaining.isdecimal()
    return not is_known or int(remaining) == int(limit) - 1


def _missing_headers(response: Response) -> str:
    names = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    missing = [name for name in names if name not in response.headers]
    return f"{', '.join(missing)} missing" if missing else ""


def _finding(rule: str, problem: str, cause: str | None = None) -> Finding:
    grade: Grade = "critical" if problem else "target"
    message = f"{rule}: {problem or 'as promised'}"
    return Finding(rule, grade, message, cause=cause if problem else None)
