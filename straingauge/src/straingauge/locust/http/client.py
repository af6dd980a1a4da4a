"""The HTTP client of one Locust user: FastHttpUser's calls, and the requests of journeys."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookiejar import CookieJar
from typing import Any, NoReturn, Unpack

from gevent import GreenletExit
from locust.exception import CatchResponseError

from straingauge.errors import StraingaugeError, UsageError
from straingauge.http import Request, RequestFailed, check_response
from straingauge.locust.http import redirects
from straingauge.locust.http.connection_pool import ConnectionPool
from straingauge.locust.http.cookies import Cookies
from straingauge.locust.http.origin import Origin, base_of, origin_of
from straingauge.locust.http.request_body import Data
from straingauge.locust.http.request_builder import Options, RequestBuilder
from straingauge.locust.http.response import GOOD, LocustResponse
from straingauge.locust.session import Session
from straingauge.locust.stats.request_reporter import Owner, RequestReporter


class Client:
    """Sends one request after the other, or several at once from as many greenlets.

    Each request is counted in the run's record and told to whoever listens to Locust's
    `events.request`, once.

    Attributes:
        cookies: what services have set; sent back with plain calls.
        request_name: counts plain calls that have no name of their own; see `rename_request`.
    """

    def __init__(self, owner: Owner, session: Session, lines: ConnectionPool, host: str) -> None:
        self._owner = owner
        self._session = session
        self._lines = lines
        self._base = base_of(host)
        self._cookies = Cookies()
        self._wording = RequestBuilder(owner.journey_user, self._base, self._cookies)
        self._reporter = RequestReporter(owner, session, lines)
        self._origins: dict[str, Origin] = {}
        self.request_name: str | None = None

    @property
    def base_url(self) -> str:
        """What relative URLs are relative to."""
        return self._base.origin + self._base.path

    @property
    def headers(self) -> dict[str, str]:
        """Sent with every request, those of journeys included."""
        return self._owner.journey_user.headers

    @property
    def cookiejar(self) -> CookieJar:
        """The cookies that services have set."""
        return self._cookies.jar

    cookies = cookiejar

    # Plain calls.

    def get(self, url: str, **options: Any) -> LocustResponse:  # noqa: ANN401  see `request`
        """Send a GET request; see `request`."""
        return self.request("GET", url, **options)

    def head(self, url: str, **options: Any) -> LocustResponse:  # noqa: ANN401  see `request`
        """Send a HEAD request; see `request`."""
        return self.request("HEAD", url, **options)

    def options(self, url: str, **options: Any) -> LocustResponse:  # noqa: ANN401  see `request`
        """Send an OPTIONS request; see `request`."""
        return self.request("OPTIONS", url, **options)

    def delete(self, url: str, **options: Any) -> LocustResponse:  # noqa: ANN401  see `request`
        """Send a DELETE request; see `request`."""
        return self.request("DELETE", url, **options)

    def post(self, url: str, data: Data = None, json: Any = None, **options: Any) -> LocustResponse:  # noqa: ANN401  see `request`
        """Send a POST request; see `request`."""
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Data = None, **options: Any) -> LocustResponse:  # noqa: ANN401  see `request`
        """Send a PUT request; see `request`."""
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: str, data: Data = None, **options: Any) -> LocustResponse:  # noqa: ANN401  see `request`
        """Send a PATCH request; see `request`."""
        return self.request("PATCH", url, data=data, **options)

    def request(
        self,
        method: str,
        url: str,
        name: str | None = None,
        *,
        catch_response: bool = False,
        allow_redirects: bool = True,
        context: Mapping[str, Any] | None = None,
        stream: bool = False,  # noqa: ARG002  the whole answer is received in any case
        **options: Unpack[Options],
    ) -> LocustResponse:
        """Send a request as Locust's own clients do.

        Args:
            method: the method.
            url: a path, or a whole URL.
            name: what it counts under in place of its URL.
            catch_response: have it judged in a with-block, whose end counts it.
            allow_redirects: whether redirections are followed.
            context: what listeners to `events.request` are told beside.
            stream: has no effect.
            options: see `wording.Options`.

        Raises:
            ValueError: it cannot be sent.
            TypeError: there is no such option.
        """
        request, url_asked, host = self._wording.word(
            method, url, name or self.request_name, options
        )
        origin = self._origin(url_asked)
        answer = self._lines.ask(request, origin, host or origin.host, "main", self._due_ns())
        answer.origin = url_asked
        if answer.status in redirects.STATUSES and allow_redirects:
            answer = self._follow(answer)
        self._cookies.keep(answer)
        error: Exception | None = answer.error
        if error is None and answer.status not in GOOD:
            error = CatchResponseError(f"status {answer.status}")
        name = name or self.request_name or url
        reporter = self._reporter
        if catch_response:
            event = reporter.event(method, name, answer, error, context)
            return answer.caught(event, reporter.report_caught)
        if error is None and not reporter.has_listeners:
            reporter.report_success("main", request.name, method, name, answer)
        else:
            event = reporter.event(method, name, answer, error, context)
            reporter.report("main", request.name, answer, event)
        return answer

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Within this block, calls without a name of their own count under this one."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def _follow(self, answer: LocustResponse) -> LocustResponse:
        """Go where it leads to; all of that is one request, begun when the first one was."""
        most = self._owner.max_redirects
        try:
            self._cookies.keep(answer)
            while (after := redirects.next_of(answer, self._cookies, most)) is not None:
                origin = self._origin(after.origin)
                last, answer = (
                    answer,
                    self._lines.ask(after.request, origin, origin.host, "main", answer.intended_ns),
                )
                answer.history, answer.origin = (*last.history, last), after.origin
                answer.sent_ns = last.sent_ns
                self._cookies.keep(answer)
        except RequestFailed as error:
            answer.error, answer.status = error, 0
        return answer

    # Journeys.

    def send(self, request: Request, phase: str) -> LocustResponse | RequestFailed:
        """Send a journey's request, and judge it as the journey wants.

        Raises:
            UsageError: the host that Locust was given has a path; that of a journey is whole.
        """
        base = self._base
        if base.path:
            refusal = f"{self.base_url!r}: the base URL has no path; journeys bring theirs"
            self._give_up(UsageError(refusal))
        origin = self._origin(base.origin)
        answer = self._lines.ask(request, origin, origin.host, phase, self._due_ns())
        answer.origin = base.origin
        failure = answer.error or check_response(answer)
        method = request.method
        name = request.name.removeprefix(f"{method} ")
        reporter = self._reporter
        if failure is None and not reporter.has_listeners:
            reporter.report_success(phase, request.name, method, name, answer)
            return answer
        event = reporter.event(method, name, answer, failure, None)
        reporter.report(phase, request.name, answer, event)
        return failure or answer

    # Both.

    def _due_ns(self) -> int | None:
        """When the request about to be sent should have been; None where nobody says."""
        due_ns = self._owner.due_ns
        if due_ns is not None:
            self._owner.due_ns = None
        return due_ns

    def _origin(self, url: str) -> Origin:
        known = self._origins.get(url)
        if known is not None:
            return known
        try:
            found = self._origins[url] = origin_of(url, self._session.allowed_hosts)
        except StraingaugeError as error:
            self._give_up(error)
        return found

    def _give_up(self, error: StraingaugeError) -> NoReturn:
        """End the run with one message for all users, and this user at once."""
        self._session.fail_setup(error)
        raise GreenletExit
