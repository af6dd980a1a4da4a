"""A single run of a journey by one user, with all its responses."""

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps

from straingauge.engine import run_load
from straingauge.http import Headers, Request, RequestFailed, Response
from straingauge.http.websocket import SocketStep
from straingauge.journey import Journey, Pause, Step, User
from straingauge.recording import Recorder
from straingauge.runner import LoadSpec


@dataclass(frozen=True, slots=True)
class ResponseSummary:
    """The outcome of one request.

    Attributes:
        endpoint: Name of the request.
        status: None if there was no complete response.
        headers: Headers of the response.
        kind: Kind of failure; None if it succeeded.
        detail: The failure in words.
    """

    endpoint: str
    status: int | None
    headers: Headers | None
    kind: str | None = None
    detail: str = ""


@dataclass(slots=True)
class JourneyRun:
    """A journey, run once.

    Attributes:
        journey: Its name.
        outcomes: Outcomes of its requests, in order.
        is_complete: Whether it was completed.
        error: The exception that its code raised.
    """

    journey: str
    outcomes: list[ResponseSummary] = field(default_factory=list)
    is_complete: bool = False
    error: str | None = None


def run_journey(spec: LoadSpec, url: str, journey: Journey, name: str, user: User) -> JourneyRun:
    """Run a journey once.

    Raises:
        UsageError: The host is neither this machine nor allowed.
        TargetError: It does not resolve.
    """
    seen = JourneyRun(name)
    load = spec.single_run(url, _recorded(journey, seen), [user], timeout_s=spec.timeout_s)
    run_load(load, Recorder())
    return seen


def _recorded(journey: Journey, seen: JourneyRun) -> Journey:
    @wraps(journey)
    def recorded(user: User) -> Generator[Step, Response, None]:
        try:
            yield from _relayed(journey(user), seen)
        except RequestFailed:
            raise
        except Exception as error:
            seen.error = f"{type(error).__name__}: {error}"
            raise
        seen.is_complete = True

    return recorded


def _relayed(
    steps: Generator[Step, Response, None], seen: JourneyRun
) -> Generator[Step, Response, None]:
    """Like `yield from`, but records all outcomes."""
    with suppress(StopIteration):
        step = next(steps)
        while True:
            try:
                response = yield step
            except RequestFailed as failure:
                seen.outcomes.append(_failed(step, failure))
                step = steps.throw(failure)
            else:
                if isinstance(step, Request):
                    seen.outcomes.append(
                        ResponseSummary(step.name, response.status, response.headers)
                    )
                step = steps.send(response)


def _name_of(step: Step) -> str:
    if isinstance(step, Pause):
        return "a pause"
    return step.endpoint if isinstance(step, SocketStep) else step.name


def _failed(step: Step, failure: RequestFailed) -> ResponseSummary:
    response = failure.response
    return ResponseSummary(
        _name_of(step),
        response.status if response else None,
        response.headers if response else None,
        failure.kind,
        failure.detail,
    )
