"""The promise of the rate limit, and the journeys that hold the service to it.

One user asks so quickly that it is refused, and is refused on its other connections as well; then
waits as it was told. Others go about their work meanwhile.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accounts import Asking, Steps, signed_in, unused_account
from checks import if_served, is_list_of
from limits import parse

from straingauge import Finding, Pause, Request, RequestFailed, Response, User, tagged

_RATE = parse(os.environ.get("RATE_LIMIT_DEFAULT", "100/minute"))
LIMIT, WINDOW_S = _RATE.amount, _RATE.get_expiry()
"""Requests that one user may make in a window. The service reads the same setting."""

BURST = LIMIT + LIMIT // 2
FURTHEST = 5 * LIMIT
"""Where nothing has been refused by the end of the burst, the limit is looked for till here, as far
as the window lasts."""

OTHERS_COUNT = 10
ELSEWHERE_COUNT = 40
USERS = 1 + OTHERS_COUNT + ELSEWHERE_COUNT
LOOKS = 10
LOOK_EVERY_S = 0.2
ELSEWHERE_S = 0.5
"""So long the other connections take to come, while user 0 goes on asking: the process that serves
it is busy, so that another one takes some of them. All at once they would go to one process."""

EARLY_S = 2
ROUNDED_S = 1
"""Retry-After is in whole seconds, rounded up: so long before it is over a user may be served."""

ENDPOINT = "GET /api/sessions/"
OTHERS = "GET /api/sessions/ (other users)"
ELSEWHERE = "GET /api/sessions/ (other connections)"
_IS_LIST = if_served(is_list_of("id"))


@dataclass(slots=True)
class Refusal:
    """The first 429 of a burst.

    Attributes:
        served: Requests that were served before it.
        failed: Requests that went wrong before it: whether the limiter saw them is not known.
        asked_s: When it was asked for, on `time.monotonic`: the service refused it after that.
        at_s: When it was here: the service refused it before that.
        answer: The whole response.
        holds_until_s: Before then the window is surely not over, whatever Retry-After says.
    """

    served: int
    failed: int
    asked_s: float
    at_s: float
    answer: Response
    holds_until_s: float

    @property
    def retry_after_s(self) -> int | None:
        """What the service says; None where it names no number of seconds."""
        value = self.answer.headers.get("Retry-After", "")
        return int(value) if value.isdecimal() and int(value) > 0 else None


_bursts: dict[str, Refusal | None] = {}
"""By e-mail, once it is known whether the burst was refused: for its other connections."""


def account(index: int) -> Mapping[str, Any]:
    """User 0, others, and users who have user 0's account on connections of their own."""
    if index <= OTHERS_COUNT:
        return unused_account(index)
    return {**unused_account(0), "elsewhere": True}


@tagged("rate_limit")
def hurry_or_look_on(user: User) -> Steps:
    """User 0 runs into its limit; the others go about their work."""
    if "elsewhere" in user.data:
        yield from ask_elsewhere(user)
    else:
        yield from (look_on if user.index else hurry)(user)


def hurry(user: User) -> Steps:
    """Ask 150 times or more in one fresh window, each time as soon as the last answer is there."""
    email = user.data["email"]
    _bursts.pop(email, None)
    try:
        yield from signed_in(user)
        yield from _burst(user)
    finally:
        _bursts.setdefault(email, None)


def _burst(user: User) -> Steps:
    """Ask within one window: what is answered after it says nothing of the limit."""
    asked_s = began_s = time.monotonic()
    answer = yield from _asked(user)
    if answer is not None and not _is_fresh(answer):
        yield Pause(WINDOW_S)  # this account was at work a moment ago
        asked_s = began_s = time.monotonic()
        answer = yield from _asked(user)
    user.data |= {"first_answer": answer, "refusal": None, "served": 0}
    failed = 0
    for number in range(1, FURTHEST + 1):
        if time.monotonic() - began_s >= WINDOW_S:
            return
        failed += answer is None
        if answer is not None and answer.status == 200:
            user.data["served"] += 1
        elif answer is not None and user.data["refusal"] is None:
            served, now_s = user.data["served"], time.monotonic()
            refusal = Refusal(served, failed, asked_s, now_s, answer, began_s + WINDOW_S)
            user.data["refusal"] = _bursts[user.data["email"]] = refusal
        if number >= BURST and _is_done(user.data["refusal"]):
            return
        asked_s = time.monotonic()
        answer = yield from _asked(user)


def _is_done(refusal: Refusal | None) -> bool:
    return refusal is not None and time.monotonic() > refusal.at_s + ELSEWHERE_S


def _asked(user: User) -> Asking[Response | None]:
    """The answer, if it was one: what goes wrong is counted, and the burst goes on."""
    try:
        return (yield _list(user))
    except RequestFailed:
        return None


def look_on(user: User) -> Steps:
    """Ask now and then, and remember having been refused."""
    yield from signed_in(user)
    for _ in range(LOOKS):
        answer = yield _list(user, name=OTHERS)
        user.data["refused"] = user.data.get("refused", 0) + (answer.status == 429)
        yield Pause(LOOK_EVERY_S)


def ask_elsewhere(user: User) -> Steps:
    """Once user 0 has been refused, ask for it on another connection."""
    yield from signed_in(user)
    while user.data["email"] not in _bursts:
        yield Pause(0.02)
    refusal = _bursts[user.data["email"]]
    if refusal is None:
        return
    yield Pause(user.random.uniform(0, ELSEWHERE_S))
    answer = yield _list(user, name=ELSEWHERE)
    if time.monotonic() < refusal.holds_until_s:
        user.data["status_elsewhere"] = answer.status


def wait_it_out(user: User) -> Steps:
    """Wait as long as Retry-After says, and remember what was answered shortly before and then."""
    refusal = user.data.get("refusal")
    if refusal is None or refusal.retry_after_s is None:
        return
    if refusal.retry_after_s > WINDOW_S:
        return  # it is untrue, and could be an hour
    over_at = refusal.at_s + refusal.retry_after_s
    holds_until = refusal.asked_s + refusal.retry_after_s - ROUNDED_S
    yield Pause(max(0.0, over_at - EARLY_S - time.monotonic()))
    if time.monotonic() < holds_until:
        early = yield _list(user, name=f"{ENDPOINT} before Retry-After is over")
        if time.monotonic() < holds_until:
            user.data["status_early"] = early.status
    yield Pause(max(0.0, over_at - time.monotonic()))
    over = yield _list(user, name=f"{ENDPOINT} when Retry-After is over")
    user.data["status_over"] = over.status


def findings(users: Sequence[User]) -> Iterator[Finding]:
    """What these users remember: user 0 of its burst, the others of having been refused."""
    for user in users:
        if user.index == 0:
            yield from burst_findings(user)
    yield from others_findings(
        [user for user in users if user.index and "elsewhere" not in user.data]
    )
    seen = [user.data["status_elsewhere"] for user in users if "status_elsewhere" in user.data]
    if seen:
        served = seen.count(200)
        wrong = (
            f"{served} of {len(seen)} requests of the same user on other connections were served"
            " while it was refused: each process counts for itself"
        )
        yield _finding("other connections", wrong if served else "", "rate_limiter_per_process")


def others_findings(users: Sequence[User]) -> Iterator[Finding]:
    """Whether those who only looked on were refused."""
    if users:
        refused = sum(user.data.get("refused", 0) for user in users)
        wrong = f"{refused} of their requests were refused as well" if refused else ""
        yield _finding("other users", wrong, "rate_limiter_tight")


def burst_findings(user: User) -> Iterator[Finding]:
    """What came of the burst of the user that hurried: the limit, its headers, Retry-After."""
    if user.data.get("first_answer") is None:
        yield _finding("first 429", "the burst came to nothing, see the errors")
        return
    yield _finding("RateLimit headers", _lacking(user.data["first_answer"]), "rate_limiter_untrue")
    refusal: Refusal | None = user.data["refusal"]
    if refusal is None:
        yield _never_refused(user.data["served"])
        return
    tight, loose = refusal.served + refusal.failed < LIMIT, refusal.served > LIMIT
    yield _finding(
        "first 429",
        f"came after {refusal.served} requests, not {LIMIT}" if tight or loose else "",
        "rate_limiter_tight" if tight else "rate_limiter_loose",
    )
    answer = refusal.answer
    yield _finding("RateLimit headers of the 429", _lacking(answer), "rate_limiter_untrue")
    yield _finding("Retry-After", _untrue(user, refusal), "rate_limiter_untrue")
    json = answer.headers.get("Content-Type", "").startswith("application/json")
    yield _finding("429 body", "" if json else f"is no JSON but {answer.text[:80]!r}")


def _never_refused(served: int) -> Finding:
    """Without a limit, or so slowly that no limit was reached."""
    if served <= LIMIT:
        said = f"first 429: no more than {served} requests were served in {WINDOW_S} s"
        return Finding("first 429", "no_data", said)
    wrong = f"none in {served} requests of one user: is the limiter off?"
    return _finding("first 429", wrong, "rate_limiter_absent")


def _untrue(user: User, refusal: Refusal) -> str:
    """What is wrong with the Retry-After of a refusal, if anything."""
    said = refusal.answer.headers.get("Retry-After", "missing")
    if refusal.retry_after_s is None:
        return f"{said} on the 429: no client knows when to come back"
    if refusal.retry_after_s > WINDOW_S:
        return f"{said} s, but the window has {WINDOW_S} s"
    if user.data.get("status_early") == 200:
        return f"said {said} s, and over {ROUNDED_S} s before they were over the user was served"
    if user.data.get("status_over") == 429:
        return f"said {said} s, and when they were over the user was refused again"
    return ""


def _list(user: User, *, name: str = ENDPOINT) -> Request:
    return user.get("/api/sessions/", name=name, expect=[200, 429], checks=[_IS_LIST])


def _is_fresh(answer: Response) -> bool:
    """Whether this was the first request of a window, as far as the service tells."""
    limit, left = (answer.headers.get(f"RateLimit-{name}", "") for name in ("Limit", "Remaining"))
    return not (limit.isdecimal() and left.isdecimal()) or int(left) == int(limit) - 1


def _lacking(answer: Response) -> str:
    wanted = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    missing = [name for name in wanted if name not in answer.headers]
    return f"{', '.join(missing)} missing" if missing else ""


def _finding(rule: str, wrong: str, cause: str | None = None) -> Finding:
    grade = "critical" if wrong else "target"
    said = f"{rule}: {wrong or 'as promised'}"
    return Finding(rule, grade, said, cause=cause if wrong else None)
