"""One user plays journeys once each, and everything that comes back is kept."""

from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps

from straingauge.engine import Load, run_load
from straingauge.http import ErrorKind, Headers, Request, RequestFailed, Response
from straingauge.journey import Journey, Step, User, mix
from straingauge.recording import Recorder
from straingauge.runner.load_runner import LoadOrder
from straingauge.schedule import constant_users


@dataclass(frozen=True, slots=True)
class ResponseSummary:
    """What came of one request.

    Attributes:
        endpoint: The request's name.
        status: None where there was no whole response.
        headers: The response's.
        kind: How it failed; None where it went well.
        detail: The same in words.
    """

    endpoint: str
    status: int | None
    headers: Headers | None
    kind: ErrorKind | None = None
    detail: str = ""


@dataclass(slots=True)
class JourneyRun:
    """One journey, played once.

    Attributes:
        journey: Its name.
        answers: To its requests, in order.
        ended: Whether it came to its end.
        broke: What its own code raised.
    """

    journey: str
    answers: list[ResponseSummary] = field(default_factory=list)
    ended: bool = False
    broke: str | None = None


def run_journey(order: LoadOrder, url: str, journey: Journey, name: str, user: User) -> JourneyRun:
    """Let a user play a journey once.

    Raises:
        UsageError: The address is not this machine's and not allowed.
        TargetError: It does not resolve.
    """
    seen = JourneyRun(name)
    once = constant_users(count=1, iterations=1)
    crowd: Sequence[User] = [user]
    load = Load(
        url,
        once,
        mix(_watched(journey, seen)),
        crowd,
        timeout_s=order.timeout_s,
        allowed_hosts=order.allowed_hosts,
    )
    run_load(load, Recorder())
    return seen


def _watched(journey: Journey, seen: JourneyRun) -> Journey:
    @wraps(journey)
    def watched(user: User) -> Generator[Step, Response, None]:
        try:
            yield from _relayed(journey(user), seen)
        except RequestFailed:
            raise
        except Exception as error:
            seen.broke = f"{type(error).__name__}: {error}"
            raise
        seen.ended = True

    return watched


def _relayed(
    steps: Generator[Step, Response, None], seen: JourneyRun
) -> Generator[Step, Response, None]:
    """What `yield from` does, with a look at what passes."""
    with suppress(StopIteration):
        step = next(steps)
        while True:
            try:
                response = yield step
            except RequestFailed as failure:
                seen.answers.append(_failed(step, failure))
                step = steps.throw(failure)
            else:
                if isinstance(step, Request):
                    seen.answers.append(
                        ResponseSummary(step.name, response.status, response.headers)
                    )
                step = steps.send(response)


def _failed(step: Step, failure: RequestFailed) -> ResponseSummary:
    response = failure.response
    return ResponseSummary(
        step.name if isinstance(step, Request) else "a pause",
        response.status if response else None,
        response.headers if response else None,
        failure.kind,
        failure.detail,
    )
