"""`JourneyUser`: a Locust user that runs straingauge's journeys and sends plain requests."""

import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, ClassVar

import gevent
from gevent import GreenletExit
from locust.env import Environment
from locust.exception import StopUser
from locust.user.users import RestMixin

from straingauge.errors import StraingaugeError, TargetError, UsageError
from straingauge.feeders import FeederEnd
from straingauge.http import RequestFailed
from straingauge.http.settings import HttpSettings
from straingauge.http.tls import tls_context
from straingauge.http.websocket import SocketStep
from straingauge.journey import Call, Execution, Journey, JourneyError, Pause, Step
from straingauge.locust import gc_tuning  # noqa: F401  adds its listeners to Locust
from straingauge.locust.events import get_session
from straingauge.locust.http.client import Client
from straingauge.locust.http.connection_pool import ConnectionPool
from straingauge.locust.http.response import LocustResponse
from straingauge.locust.http.tls_stream import context
from straingauge.locust.options import http_settings
from straingauge.locust.stats.journey_transactions import JourneyTransactions
from straingauge.locust.stats.request_reporter import RequestReporter
from straingauge.locust.user.call import run_call
from straingauge.locust.user.wait_time import PacedUser
from straingauge.locust.user.websockets import WebSockets
from straingauge.redaction import redact
from straingauge.runner.login import log_in_advice
from straingauge.runner.tear_down import HURRIED_S
from straingauge.verdict import Finding

LOGIN_INTERVAL_S = 5.0
_UNSUPPORTED = ("client_pool", "proxy_host", "proxy_port")


class JourneyUser(PacedUser, RestMixin[LocustResponse]):
    """A Locust user with its own account.

        class Reader(JourneyUser):
            wait_time = between(1, 3)
            account = journeys.account
            log_in = journeys.log_in

            @task(5)
            @tag("read")
            def list_sessions(self):
                self.run_journey(journeys.list_sessions)

    Tasks that call ``self.client.get(...)`` directly are recorded as well, so a locustfile written
    for Locust's FastHttpUser or HttpUser only has to change its base class.

    Attributes:
        account: Returns the initial data of the user with this index; becomes
            ``journey_user.data``.
        log_in: Journey run once before the first task; if it fails, the run ends. It is run again
            if a journey is answered 401, since tokens expire.
        tear_down: Journey run once when the user stops, to remove what it has created, for 5 s at
            most. Its failures are in the result, and not judged.
        check_resources: Checks the service as a whole at the end of a run with this class, given
            the `resources` of the result; returns findings.
        opt_in: Leave this class out of a run that names neither it nor one of its tags.
        network_timeout: Default request timeout in seconds, from sending to the last byte.
        connection_timeout: Timeout in seconds for connecting, including TLS.
        max_redirects: Number of redirects that a plain request follows.
        insecure: Accept any TLS certificate, as FastHttpUser does.
        ssl_context_factory: Returns the TLS settings, in place of `insecure`.
        default_headers: Headers of every request.
        http: Settings of connections, with the names of ``[http]`` in straingauge.toml, which they
            replace; options of the command line come before both.
        journey_user: The `straingauge.User` that journeys receive; plain requests send its headers
            as well.
        client: Sends plain requests, with the interface of FastHttpUser's client.
    """

    abstract = True
    account: ClassVar[Callable[[int], Mapping[str, Any]] | None] = None
    log_in: ClassVar[Journey | None] = None
    tear_down: ClassVar[Journey | None] = None
    check_resources: ClassVar[Callable[[Mapping[str, Any]], Iterable[Finding]] | None] = None
    opt_in: ClassVar[bool] = False
    network_timeout: float = 60.0
    connection_timeout: float = 60.0
    max_redirects: int = 30
    insecure: bool = True
    journey_phase = "main"  # of the journey that runs
    ssl_context_factory: ClassVar[Callable[[], ssl.SSLContext] | None] = None
    default_headers: Mapping[str, str] | None = None
    http: ClassVar[Mapping[str, object]] = {}

    def __init__(self, environment: Environment) -> None:
        """Create the user; an attribute of FastHttpUser that is not supported ends the run."""
        super().__init__(environment)
        own, session = type(self), get_session(environment)
        for name in _UNSUPPORTED:
            if getattr(own, name, None) is not None:
                error = f"{own.__name__}.{name}: JourneyUser does not support this attribute"
                session.fail_setup(UsageError(error))
        try:
            self._http = http_settings(environment, own.http)
        except UsageError as error:
            session.fail_setup(error)
            raise GreenletExit from error
        self.journey_user = session.create_user(own.account, self._http)
        self.journey_user.observer = JourneyTransactions(self, session)
        self._logged_in_s = -LOGIN_INTERVAL_S
        self.journey_user.headers.update(self.default_headers or {})
        self._connections = ConnectionPool(
            lambda: session.stats.recording,
            _own_or(self.network_timeout, JourneyUser.network_timeout, self._http.timeout_s),
            _own_or(
                self.connection_timeout,
                JourneyUser.connection_timeout,
                self._http.connect_timeout_s,
            ),
            self._tls_context,
            finish_requests=bool(environment.stop_timeout),
        )
        reporter = RequestReporter(self, session, self._connections)
        host = self.host or ""
        try:
            is_tls = host.lower().startswith("https:") and own.ssl_context_factory is None
            self._connections.prepare(self._http, is_tls=is_tls)
            self.client = Client(
                self, reporter, session, self._connections, host, settings=self._http
            )
        except UsageError as error:
            session.fail_setup(error)
            raise GreenletExit from error
        self._websockets = WebSockets(
            self.journey_user,
            self.client,
            self._connections,
            session,
            environment,
            timeout_s=self.network_timeout,
        )
        class_on_stop = self.on_stop

        def on_stop() -> None:
            try:
                class_on_stop()
                self._tear_down()
            finally:
                self._leave()

        # Set on the instance, so that a class can override it without calling super().
        vars(self)["on_stop"] = on_stop

    def _tls_context(self, offered: tuple[str, ...]) -> ssl.SSLContext:
        factory = type(self).ssl_context_factory
        if factory:
            made = factory()
            if offered:
                made.set_alpn_protocols(offered)
            return made
        return _context_of(self._http, offered) or context(insecure=self.insecure, offered=offered)

    def on_start(self) -> None:
        """Log in; if that fails, end the run with one message.

        Raises:
            GreenletExit: The log-in failed.
        """
        log_in = type(self).log_in  # from the class: from the instance, it would be a method
        if log_in is None:
            return
        failure = self.run_journey(log_in, phase="setup")
        session = get_session(self.environment)
        if failure is not None:
            session.fail_setup(_setup_error(failure, self.host))
            raise GreenletExit  # ends this user; on StopUser, Locust would log a traceback
        self.journey_user.end_log_in()
        session.stats.add_credentials(self.journey_user)

    def _tear_down(self) -> None:
        """Run the journey `tear_down`, for a limited time."""
        tear_down = type(self).tear_down
        if tear_down is None:
            return
        with gevent.Timeout(HURRIED_S, False):  # noqa: FBT003  gevent's way to go on after it
            self.run_journey(tear_down, phase="teardown")

    def _leave(self) -> None:
        """Close the connections, and release the account."""
        self._connections.close()
        get_session(self.environment).user_ids.release(self.journey_user.index)

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Add findings to the verdict of the run; of each rule, the worst counts."""
        get_session(self.environment).stats.add_findings(findings)

    def run_journey(
        self, journey: Journey, *, phase: str = "main"
    ) -> RequestFailed | JourneyError | None:
        """Run a journey.

        Args:
            journey: A generator function that yields requests.
            phase: Phase of the result in which its requests are counted.

        Returns:
            The failure that ended it early, already recorded; None if it was completed.

        Raises:
            StopUser: A feeder has no further row, which ends the run.
        """
        execution = Execution(journey, self.journey_user)
        self.journey_phase = phase
        failure: RequestFailed | None = None
        try:
            step = execution.begin()
            while step is not None:
                step, failure = self._run_step(step, execution, phase)
        except JourneyError as error:
            end = error.__cause__ if phase == "main" else None
            if not isinstance(end, FeederEnd) or end.is_error:
                self._record_error(error, phase, journey)
            if isinstance(end, FeederEnd):
                get_session(self.environment).end_load(end)
                raise StopUser from error
            return error
        finally:
            execution.close()
            self._websockets.close_all()
        response = failure.response if failure is not None else None
        if phase == "main" and response is not None and response.status == 401:
            self._log_in_again()
        return failure

    def _log_in_again(self) -> None:
        """Renew the credentials, at most once per `LOGIN_INTERVAL_S`."""
        log_in = type(self).log_in
        if log_in is None or time.monotonic() - self._logged_in_s < LOGIN_INTERVAL_S:
            return
        self._logged_in_s = time.monotonic()
        self.journey_user.headers.pop("Authorization", None)
        self.journey_user.begin_log_in()
        if self.run_journey(log_in, phase="setup") is None:
            self.journey_user.end_log_in()
            get_session(self.environment).stats.add_credentials(self.journey_user)

    def _record_error(self, error: JourneyError, phase: str, journey: Journey) -> None:
        """Record an exception in a journey's code, also in Locust's statistics."""
        name = getattr(journey, "__name__", "journey")
        get_session(self.environment).stats.recording.add_journey_error(error, phase, name)
        self.environment.stats.log_error("JOURNEY", name, error)

    def _run_call(
        self, call: Call, execution: Execution, phase: str
    ) -> tuple[Step | None, RequestFailed | None]:
        """Call a function in this greenlet; its timeout is gevent's."""
        session = get_session(self.environment)
        if not call.in_thread:
            session.fail_setup(_unsupported(call.name))
            raise GreenletExit
        timeout_s = call.timeout_s or self.network_timeout
        began_ns = time.monotonic_ns()
        value, failure = run_call(call, timeout_s)
        done_ns = time.monotonic_ns()
        session.stats.recording.add_call(phase, call.name, began_ns, done_ns, failure)
        stats, name = self.environment.stats, redact(call.name)
        stats.log_request("CALL", name, round((done_ns - began_ns) / 1e6), 0)
        if failure is None:
            return execution.answer(value), None
        stats.log_error("CALL", name, redact(str(failure)))
        return execution.fail(failure), failure

    def _run_step(
        self, step: Step, execution: Execution, phase: str
    ) -> tuple[Step | None, RequestFailed | None]:
        if isinstance(step, Pause):
            gevent.sleep(step.seconds)
            return execution.resume(), None
        if isinstance(step, Call):
            return self._run_call(step, execution, phase)
        if isinstance(step, SocketStep):
            outcome = self._websockets.run(step, phase)
            if isinstance(outcome, RequestFailed):
                return execution.fail(outcome), outcome
            return execution.answer(outcome), None
        response = self.client.send(step, phase)
        if isinstance(response, RequestFailed):
            return execution.fail(response), response
        return execution.answer(response), None


@cache
def _context_of(settings: HttpSettings, offered: tuple[str, ...]) -> ssl.SSLContext | None:
    """Return the context of the settings; None if they say nothing of certificates."""
    if not (settings.ca_file or settings.client_cert or settings.insecure):
        return None
    made = tls_context(settings)
    if offered:
        made.set_alpn_protocols(offered)
    return made


def _own_or(own: float, default: float, configured: float | None) -> float:
    """Return a class's own time limit, or else the configured one, or else the default."""
    return configured if own == default and configured is not None else own


def _unsupported(name: str) -> UsageError:
    return UsageError(
        f"{name}: Locust cannot run coroutines, which need asyncio; its users are greenlets",
        hint="write the step without async, and decorate it with measure(name)",
    )


def _setup_error(failure: RequestFailed | JourneyError, host: str | None) -> StraingaugeError:
    cause = failure.__cause__ if isinstance(failure, JourneyError) else failure
    if isinstance(cause, StraingaugeError):
        return cause
    return TargetError(
        f"a user could not log in at {host}: {failure}",
        hint=log_in_advice(failure),
    )
