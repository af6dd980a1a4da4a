"""The execution of a journey by one user, step by step, without I/O."""

import inspect
from collections.abc import Callable, Generator
from inspect import GEN_CLOSED, getgeneratorstate
from time import monotonic_ns
from types import GeneratorType
from typing import Any, TypeAlias

from straingauge.errors import UsageError
from straingauge.http import Request, RequestFailed
from straingauge.http.websocket import Connect, SocketStep
from straingauge.journey.call import Call
from straingauge.journey.step import Pause, Step
from straingauge.journey.user import User

Journey: TypeAlias = Callable[[User], Generator[Step, Any, None]]


class JourneyError(Exception):
    """An error in the journey's own code, not in its requests; the cause is chained.

    Attributes:
        after: the request or call whose result it was processing; None at its beginning.
    """

    def __init__(self, journey: Journey, after: Request | Call | None, cause: str) -> None:
        super().__init__(f"journey {journey_name(journey)}: {cause}")
        self.after = after


def journey_name(journey: Journey) -> str:
    """Return the name of a journey in reports."""
    return getattr(journey, "__name__", repr(journey))


def require_journey(journey: Journey, role: str = "journey") -> None:
    """Check that a journey can be called with a user.

    Args:
        journey: The journey.
        role: Its role in the load, for the message.

    Raises:
        UsageError: It is no function, or takes other arguments.
    """
    advice = 'write it as a generator function of a user: def look(user): yield user.get("/")'
    if not callable(journey):
        raise UsageError(f"{role} {journey!r} is not a function", hint=advice)
    try:
        parameters = inspect.signature(journey)
    except (TypeError, ValueError):  # of a built-in callable: its call will tell
        return
    try:
        parameters.bind(None)
    except TypeError as error:
        name = journey_name(journey)
        raise UsageError(
            f"{role} {name}{parameters} cannot be called with a user: {error}", hint=advice
        ) from error


class Execution:
    """Runs one journey to its end.

        step = execution.begin()
        while step is not None:
            if isinstance(step, Pause): wait, then   step = execution.resume()
            else: send or call it, then              step = execution.answer(response)
            or, if it failed:                        step = execution.fail(failure)

    Each of these returns the next step, None at the journey's end, and raises `JourneyError` if the
    journey's own code failed. A `RequestFailed` that the journey does not catch ends it without an
    error, since the failed request has been counted.
    """

    __slots__ = ("_generator", "_journey", "_request", "_user")

    def __init__(self, journey: Journey, user: User) -> None:
        self._journey = journey
        self._user = user
        if user.cookie_mode == "per-journey" and user.has_cookies:
            user.cookies.restore()
        self._generator = journey(user)
        self._request: Request | Call | None = None

    def begin(self) -> Step | None:
        """Return the first step."""
        if not isinstance(self._generator, GeneratorType):
            raise JourneyError(self._journey, None, "it is no generator: it never yields")
        return self.resume()

    def resume(self) -> Step | None:
        """Return the next step after a pause."""
        if self._user.open_transactions:
            at_ns = monotonic_ns()
            for transaction in self._user.open_transactions:
                transaction.resume(at_ns)
        try:
            step = next(self._generator)
        except StopIteration:
            return None
        except Exception as error:
            raise self._error(error) from error
        return self._check(step)

    def answer(self, response: object) -> Step | None:
        """Return the next step after a successful request, call or step of a WebSocket."""
        try:
            step = self._generator.send(response)
        except StopIteration:
            return None
        except Exception as error:
            raise self._error(error) from error
        if step.__class__ is Request:
            self._request = step
            return step
        return self._check(step)

    def fail(self, failure: RequestFailed) -> Step | None:
        """Return the next step after a failed request."""
        self._fail_transactions()
        try:
            step = self._generator.throw(failure)
        except StopIteration:
            return None
        except Exception as error:
            if error is failure:
                return None
            raise self._error(error) from error
        return self._check(step)

    def close(self) -> None:
        """End the journey: its `finally` blocks run, but their requests are not sent.

        Raises:
            JourneyError: one of them failed.
        """
        try:
            self._generator.close()
        except RuntimeError as error:
            # "generator ignored GeneratorExit": it yielded a further step, which is ignored.
            if getgeneratorstate(self._generator) == GEN_CLOSED:
                raise self._error(error) from error
        except Exception as error:
            raise self._error(error) from error

    def _check(self, step: Step) -> Step:
        if isinstance(step, Request | Call):
            self._request = step
        elif isinstance(step, Pause):
            for transaction in self._user.open_transactions:
                transaction.pause(monotonic_ns())
        elif isinstance(step, Connect):
            self._request = step.request
        elif not isinstance(step, SocketStep):
            self._fail_transactions()
            self._generator.close()
            raise JourneyError(
                self._journey,
                self._request,
                f"it yielded {step!r}, neither Request, Pause nor Call",
            )
        return step

    def _fail_transactions(self) -> None:
        for transaction in self._user.open_transactions:
            transaction.has_failed = True

    def _error(self, error: Exception) -> JourneyError:
        return JourneyError(self._journey, self._request, f"{type(error).__name__}: {error}")
