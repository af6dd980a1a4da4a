"""One playing of a journey by one user, step by step, for whoever does the I/O."""

from collections.abc import Callable, Generator
from inspect import GEN_CLOSED, getgeneratorstate
from types import GeneratorType
from typing import TypeAlias

from straingauge.http import Request, RequestFailed, Response
from straingauge.journey.step import Pause, Step
from straingauge.journey.user import User

Journey: TypeAlias = Callable[[User], Generator[Step, Response, None]]


class JourneyError(Exception):
    """The journey's own code failed, as against its requests; the cause is chained.

    Attributes:
        after: the request whose answer it was working on; None at its very beginning.
    """

    def __init__(self, journey: Journey, after: Request | None, cause: str) -> None:
        super().__init__(f"journey {journey_name(journey)}: {cause}")
        self.after = after


def journey_name(journey: Journey) -> str:
    """The name a journey is known by in reports."""
    return getattr(journey, "__name__", repr(journey))


class Execution:
    """Drives one journey to its end.

        step = play.begin()
        while step is not None:
            if isinstance(step, Pause): wait, then   step = play.resume()
            else: send it, then                      step = play.answer(response)
            or, when it failed:                      step = play.fail(failure)

    Each of these returns what to do next, None at the journey's end, and raises `JourneyError`
    when the journey's own code failed. A failure the journey does not catch ends it quietly: the
    request that failed was counted already.
    """

    __slots__ = ("_generator", "_journey", "_request")

    def __init__(self, journey: Journey, user: User) -> None:
        self._journey = journey
        self._generator = journey(user)
        self._request: Request | None = None

    def begin(self) -> Step | None:
        """The first step."""
        if not isinstance(self._generator, GeneratorType):
            raise JourneyError(self._journey, None, "it is no generator: it never yields")
        return self.resume()

    def resume(self) -> Step | None:
        """The next step after a pause."""
        try:
            step = next(self._generator)
        except StopIteration:
            return None
        except Exception as error:
            raise self._error(error) from error
        return self._checked(step)

    def answer(self, response: Response) -> Step | None:
        """The next step after a request that went well."""
        try:
            step = self._generator.send(response)
        except StopIteration:
            return None
        except Exception as error:
            raise self._error(error) from error
        if step.__class__ is Request:
            self._request = step
            return step
        return self._checked(step)

    def fail(self, failure: RequestFailed) -> Step | None:
        """The next step after a request that failed."""
        try:
            step = self._generator.throw(failure)
        except StopIteration:
            return None
        except Exception as error:
            if error is failure:
                return None
            raise self._error(error) from error
        return self._checked(step)

    def close(self) -> None:
        """Give up: the journey's `finally` blocks run, but what they would send is not sent.

        Raises:
            JourneyError: one of them failed.
        """
        try:
            self._generator.close()
        except RuntimeError as error:
            # "generator ignored GeneratorExit": it yielded a further step, which is not taken.
            if getgeneratorstate(self._generator) == GEN_CLOSED:
                raise self._error(error) from error
        except Exception as error:
            raise self._error(error) from error

    def _checked(self, step: Step) -> Step:
        if isinstance(step, Request):
            self._request = step
        elif not isinstance(step, Pause):
            self._generator.close()
            raise JourneyError(
                self._journey, self._request, f"it yielded {step!r}, neither Request nor Pause"
            )
        return step

    def _error(self, error: Exception) -> JourneyError:
        return JourneyError(self._journey, self._request, f"{type(error).__name__}: {error}")
