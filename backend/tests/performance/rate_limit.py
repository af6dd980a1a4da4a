"""The promise of the rate limit, and the journeys that hold the service to it.

One user asks so quickly that it is refused, then waits as it was told; others go about their work.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accounts import Steps, signed_in
from straingauge.journey import Pause, Request, Response, User, tagged
from straingauge.verdict import Finding

LIMIT = 100
"""Requests that one user may make in a minute."""

BURST = 150
LOOKS = 20
WINDOW_S = 60.0
EARLY_S = 2
ENDPOINT = "GET /api/sessions/"
OTHERS = "GET /api/sessions/ (other users)"


@dataclass(slots=True)
class Refusal:
    """The first 429 of a burst.

    Attributes:
        number: Of the request within its window, from 1.
        at_s: When, on `time.monotonic`.
        answer: The whole response.
    """

    number: int
    at_s: float
    answer: Response

    @property
    def retry_after_s(self) -> int | None:
        """What the service says; None where it names no number of seconds."""
        value = self.answer.headers.get("Retry-After", "")
        return int(value) if value.isdecimal() and int(value) > 0 else None


@tagged("rate_limit")
def hurry_or_look_on(user: User) -> Steps:
    """User 0 runs into its limit; the others go about their work."""
    yield from (look_on if user.index else hurry)(user)


def hurry(user: User) -> Steps:
    """Ask 150 times in one fresh window, each time as soon as the last answer is there."""
    yield from signed_in(user)
    answer = yield _list(user)
    if answer.headers.get("RateLimit-Remaining", str(LIMIT - 1)) != str(LIMIT - 1):
        yield Pause(WINDOW_S)  # this account was at work a moment ago
        answer = yield _list(user)
    user.data |= {"first_answer": answer, "refusal": None}
    for number in range(1, BURST + 1):
        if answer.status == 429 and user.data["refusal"] is None:
            user.data["refusal"] = Refusal(number, time.monotonic(), answer)
        if number < BURST:
            answer = yield _list(user)


def look_on(user: User) -> Steps:
    """Ask now and then, and remember having been refused."""
    yield from signed_in(user)
    for _ in range(LOOKS):
        answer = yield _list(user, name=OTHERS)
        user.data["refused"] = user.data.get("refused", 0) + (answer.status == 429)
        yield Pause(0.1)


def wait_it_out(user: User) -> Steps:
    """Be refused as long as Retry-After says, and served when it is over."""
    refusal = user.data.get("refusal")
    if refusal is None or refusal.retry_after_s is None:
        return
    over_at = refusal.at_s + refusal.retry_after_s
    if refusal.retry_after_s > EARLY_S:
        yield Pause(max(0.0, over_at - EARLY_S - time.monotonic()))
        yield _list(user, name=f"{ENDPOINT} {EARLY_S} s before Retry-After is over", expect=429)
    yield Pause(max(0.0, over_at - time.monotonic()))
    yield _list(user, name=f"{ENDPOINT} when Retry-After is over", expect=200)


def findings(users: Sequence[User]) -> Iterator[Finding]:
    """What these users remember: user 0 of its burst, the others of having been refused."""
    for user in users:
        if user.index == 0:
            yield from _of_the_burst(user)
    others = [user for user in users if user.index]
    if others:
        refused = sum(user.data.get("refused", 0) for user in others)
        wrong = f"{refused} of their requests were refused as well" if refused else ""
        yield _finding("other users", wrong)


def _of_the_burst(user: User) -> Iterator[Finding]:
    if "first_answer" not in user.data:
        yield _finding("first 429", "the burst came to nothing, see the errors")
        return
    yield _finding("RateLimit headers", _lacking(user.data["first_answer"]))
    refusal: Refusal | None = user.data["refusal"]
    if refusal is None:
        yield _finding("first 429", f"none in {BURST} requests of one user: is the limiter off?")
        return
    answer = refusal.answer
    late = refusal.number != LIMIT + 1
    yield _finding(
        "first 429", f"came at request {refusal.number}, not {LIMIT + 1}" if late else ""
    )
    yield _finding("RateLimit headers of the 429", _lacking(answer))
    said = answer.headers.get("Retry-After", "missing")
    yield _finding(
        "Retry-After",
        "" if refusal.retry_after_s else f"{said} on the 429: no client knows when to come back",
    )
    json = answer.headers.get("Content-Type", "").startswith("application/json")
    yield _finding("429 body", "" if json else f"is no JSON but {answer.text[:80]!r}")


def _list(user: User, *, name: str = ENDPOINT, expect: int | None = None) -> Request:
    return user.get("/api/sessions/", name=name, expect=[expect] if expect else [200, 429])


def _lacking(answer: Response) -> str:
    wanted = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
    missing = [name for name in wanted if name not in answer.headers]
    return f"{', '.join(missing)} missing" if missing else ""


def _finding(rule: str, wrong: str) -> Finding:
    return Finding(rule, "critical" if wrong else "target", f"{rule}: {wrong or 'as promised'}")
