"""`JourneyUser`: a Locust user that plays straingauge's journeys, and plain calls, fast."""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import gevent
from gevent import GreenletExit
from locust.env import Environment
from locust.user.users import RestMixin

from straingauge.errors import StraingaugeError, TargetError, UsageError
from straingauge.http import RequestFailed
from straingauge.journey import Execution, Journey, JourneyError, Pause, Step
from straingauge.locust import gc_tuning  # noqa: F401  listens to Locust
from straingauge.locust.events import session_of
from straingauge.locust.http.client import Client
from straingauge.locust.http.connection_pool import ConnectionPool
from straingauge.locust.http.response import LocustResponse
from straingauge.locust.http.tls_stream import context
from straingauge.locust.user.wait_time import Paced
from straingauge.verdict import Finding

RENEW_EVERY_S = 5.0
_NOT_HERE = ("client_pool", "proxy_host", "proxy_port")


class JourneyUser(Paced, RestMixin[LocustResponse]):
    """A virtual user with an account of its own.

        class Reader(JourneyUser):
            wait_time = between(1, 3)
            account = journeys.account
            log_in = journeys.log_in

            @task(5)
            @tag("read")
            def list_sessions(self):
                self.play(journeys.list_sessions)

    Plain tasks that call ``self.client.get(...)`` work beside it and are recorded like any other,
    so that a file written for Locust's FastHttpUser or HttpUser moves over by its base class.

    Attributes:
        account: What the user with this index starts with: becomes ``player.data``.
        log_in: Played once before the first task; when it fails, the run ends. Played again when a
            journey is answered 401: tokens expire.
        judge_service: What the class demands of the service as a whole, at the end of a run that
            has such users: is given the result's `resources`.
        only_when_asked: Leave this class out of a run that names neither it nor one of its tags.
        network_timeout: Seconds from sending to the last byte, for requests that do not say.
        connection_timeout: Seconds for connecting, TLS included.
        max_redirects: So many a plain call follows.
        insecure: Whether TLS is spoken with whoever answers, as FastHttpUser does.
        ssl_context_factory: Makes the settings for TLS in place of that.
        default_headers: Sent with each request.
        player: The journeys' side of this user; the client sends its headers, too.
        client: Sends plain calls, as FastHttpUser's does.
    """

    abstract = True
    account: ClassVar[Callable[[int], Mapping[str, Any]] | None] = None
    log_in: ClassVar[Journey | None] = None
    judge_service: ClassVar[Callable[[Mapping[str, Any]], Iterable[Finding]] | None] = None
    only_when_asked: ClassVar[bool] = False
    network_timeout: float = 60.0
    connection_timeout: float = 60.0
    max_redirects: int = 30
    insecure: bool = True
    ssl_context_factory: ClassVar[Callable[[], ssl.SSLContext] | None] = None
    default_headers: Mapping[str, str] | None = None

    def __init__(self, environment: Environment) -> None:
        """Take a seat; a class that wants what there is not here ends the run."""
        super().__init__(environment)
        own, session = type(self), session_of(environment)
        for name in _NOT_HERE:
            if getattr(own, name, None) is not None:
                session.fail_setup(UsageError(f"{own.__name__}.{name}: JourneyUser has no such"))
        self.player = session.player(own.account)
        self._renewed_s = -RENEW_EVERY_S
        self.player.headers.update(self.default_headers or {})
        self._lines = ConnectionPool(
            session,
            self.network_timeout,
            self.connection_timeout,
            self._tls,
            patient=bool(environment.stop_timeout),
        )
        self.client = Client(self, session, self._lines, self.host or "")
        own_on_stop = self.on_stop

        def on_stop() -> None:
            try:
                own_on_stop()
            finally:
                self._leave()

        # Of the object, so that a class which overrides it has no need to know.
        vars(self)["on_stop"] = on_stop

    def _tls(self) -> ssl.SSLContext:
        factory = type(self).ssl_context_factory
        return factory() if factory else context(insecure=self.insecure)

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

    def _leave(self) -> None:
        """Close the connections, and let the account be used by the next user that starts."""
        self._lines.close()
        session_of(self.environment).seats.give_back(self.player.index)

    def find(self, findings: Iterable[Finding]) -> None:
        """Add what a task found out by itself to the run's verdict; of one rule, the worst."""
        session_of(self.environment).part.find(findings)

    def play(self, journey: Journey, *, phase: str = "main") -> RequestFailed | JourneyError | None:
        """Play a journey to its end.

        Returns:
            The failure that ended it early, already counted; None when it came to its own end.
        """
        play = Execution(journey, self.player)
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
        answer = failure.response if failure is not None else None
        if phase == "main" and answer is not None and answer.status == 401:
            self._renew()
        return failure

    def _renew(self) -> None:
        """Log in again, since tokens expire; a 401 that stays is asked about only now and then."""
        log_in = type(self).log_in
        if log_in is None or time.monotonic() - self._renewed_s < RENEW_EVERY_S:
            return
        self._renewed_s = time.monotonic()
        self.player.headers.pop("Authorization", None)
        if self.play(log_in, phase="setup") is None:
            session_of(self.environment).part.remember(self.player)

    def _count(self, error: JourneyError, phase: str, journey: Journey) -> None:
        """A journey's own code failed: an error in the record, and a line on Locust's page."""
        name = getattr(journey, "__name__", "journey")
        session_of(self.environment).part.recording.journey_error(error, phase, name)
        self.environment.stats.log_error("JOURNEY", name, error)

    def _take(
        self, step: Step, play: Execution, phase: str
    ) -> tuple[Step | None, RequestFailed | None]:
        if isinstance(step, Pause):
            gevent.sleep(step.seconds)
            return play.resume(), None
        answer = self.client.send(step, phase)
        if isinstance(answer, RequestFailed):
            return play.fail(answer), answer
        return play.answer(answer), None


def _plain(failure: RequestFailed | JourneyError, host: str | None) -> StraingaugeError:
    """What to tell whoever started the run."""
    cause = failure.__cause__ if isinstance(failure, JourneyError) else failure
    if isinstance(cause, StraingaugeError):
        return cause
    return TargetError(
        f"a user could not log in at {host}: {failure}",
        hint="see whether the service runs there, and what its log says",
    )
