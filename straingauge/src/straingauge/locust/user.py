"""`JourneyUser`: a Locust user that plays straingauge's journeys with Locust's own client."""

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, cast

import gevent
from gevent import GreenletExit
from locust import FastHttpUser
from locust.contrib.fasthttp import ResponseContextManager
from locust.env import Environment
from locust.exception import CatchResponseError

from straingauge.errors import StraingaugeError, TargetError
from straingauge.journey import (
    Journey,
    JourneyError,
    Pause,
    Play,
    Request,
    RequestFailed,
    Response,
    Step,
    Upload,
    User,
    assess,
)
from straingauge.locust.hooks import session_of
from straingauge.locust.recording import CONTEXT, Sent, kind_of, raw_headers
from straingauge.locust.waits import Paced
from straingauge.verdict import Finding

_IDS = re.compile(r"\b[0-9a-f][0-9a-f-]{15,}\b")


class JourneyUser(Paced, FastHttpUser):
    """A virtual user with an account of its own.

        class Reader(JourneyUser):
            wait_time = between(1, 3)
            account = journeys.account
            log_in = journeys.log_in

            @task(5)
            @tag("read")
            def list_sessions(self):
                self.play(journeys.list_sessions)

    Plain tasks that call ``self.client.get(...)`` work beside it and are recorded like any other.

    Attributes:
        account: What the user with this index starts with: becomes ``player.data``.
        log_in: Played once before the first task; when it fails, the run ends.
        only_when_asked: Leave this class out of a run that names neither it nor one of its tags.
        player: The journeys' side of this user.
    """

    abstract = True
    account: ClassVar[Callable[[int], Mapping[str, Any]] | None] = None
    log_in: ClassVar[Journey | None] = None
    only_when_asked: ClassVar[bool] = False

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        account, index = type(self).account, session_of(environment).seats.take()
        self.player = User(index, dict(account(index)) if account else None)

    def on_start(self) -> None:
        """Log in, or end the run with one clear message.

        Raises:
            GreenletExit: The log-in failed.
        """
        log_in = type(self).log_in  # of the class: of the object, it would be a method
        if log_in is None:
            return
        failure = self.play(log_in, phase="setup")
        if failure is not None:
            session_of(self.environment).fail_setup(_plain(failure, self.host))
            raise GreenletExit  # ends this user; StopUser would have Locust log a traceback
        session_of(self.environment).part.remember(self.player)

    def on_stop(self) -> None:
        """Let the account be used by the next user that starts."""
        session_of(self.environment).seats.give_back(self.player.index)

    def find(self, findings: Iterable[Finding]) -> None:
        """Add what a task found out by itself to the run's verdict; of one rule, the worst."""
        session_of(self.environment).part.find(findings)

    def play(self, journey: Journey, *, phase: str = "main") -> RequestFailed | JourneyError | None:
        """Play a journey to its end.

        Returns:
            The failure that ended it early, already counted; None when it came to its own end.
        """
        play = Play(journey, self.player)
        failure: RequestFailed | None = None
        try:
            step = play.begin()
            while step is not None:
                step, failure = self._take(step, play, phase)
        except JourneyError as error:
            self._count(error, phase, journey)
            return error
        finally:
            play.close()
        return failure

    def _count(self, error: JourneyError, phase: str, journey: Journey) -> None:
        """A journey's own code failed: an error in the record, and a line on Locust's page."""
        name = getattr(journey, "__name__", "journey")
        session_of(self.environment).part.recording.journey_error(error, phase, name)
        self.environment.stats.log_error("JOURNEY", name, error)

    def _take(self, step: Step, play: Play, phase: str) -> tuple[Step | None, RequestFailed | None]:
        if isinstance(step, Pause):
            gevent.sleep(step.seconds)
            return play.resume(), None
        answer = self._send(step, phase)
        if isinstance(answer, RequestFailed):
            return play.fail(answer), answer
        return play.answer(answer), None

    def _send(self, request: Request, phase: str) -> Response | RequestFailed:
        method, _, name = request.name.partition(" ")
        due_ns = self.take_due_ns()
        sent = Sent(phase, request.name, due_ns, time.monotonic_ns())
        with self.client.request(
            request.method,
            request.target,
            name=name if method == request.method else request.name,
            data=cast("str", _sent_as(request.body)),  # it takes bytes and streams
            headers=_headers(request),
            catch_response=True,
            allow_redirects=False,
            context={CONTEXT: sent},
        ) as answer:
            outcome = _outcome(request, answer)
            if isinstance(outcome, RequestFailed):
                sent.failure = outcome
                answer.failure(CatchResponseError(_without_ids(outcome)))
            else:
                sent.headers = outcome.raw_headers
                answer.success()
        return outcome


class _Body:
    """An upload as the client wants it: a file of known length, read piece by piece."""

    def __init__(self, upload: Upload) -> None:
        self._length = upload.length
        self._chunks = upload.chunks()

    def __len__(self) -> int:
        return self._length

    def read(self, _size: int) -> bytes:
        """The next piece, whatever its size; empty at the end."""
        return next(self._chunks, b"")


def _sent_as(body: bytes | Upload | None) -> "bytes | _Body | None":
    return _Body(body) if isinstance(body, Upload) else body


def _headers(request: Request) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity", **request.headers}
    if isinstance(request.body, Upload):
        headers["Content-Type"] = request.body.content_type
    return headers


def _outcome(request: Request, answer: ResponseContextManager) -> Response | RequestFailed:
    error = answer.request_meta["exception"]
    if not answer.status_code or answer.content is None:
        return RequestFailed(kind_of(error), str(error) or type(error).__name__)
    response = Response(request, answer.status_code, raw_headers(answer), answer.content)
    return assess(response) or response


def _plain(failure: RequestFailed | JourneyError, host: str | None) -> StraingaugeError:
    """What to tell whoever started the run."""
    cause = failure.__cause__ if isinstance(failure, JourneyError) else failure
    if isinstance(cause, StraingaugeError):
        return cause
    return TargetError(
        f"a user could not log in at {host}: {failure}",
        hint="see whether the service runs there, and what its log says",
    )


def _without_ids(failure: RequestFailed) -> str:
    """The failure as Locust's tables show it: without ids, so that equal ones are one line."""
    return _IDS.sub("…", str(failure))
