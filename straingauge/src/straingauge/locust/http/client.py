"""The HTTP client of one Locust user: FastHttpUser's calls, and the requests of journeys."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn, Unpack

from gevent import GreenletExit
from locust.exception import CatchResponseError
from requests.cookies import RequestsCookieJar

from straingauge.errors import StraingaugeError, UsageError
from straingauge.http import ErrorKind, Request, RequestFailed, check_response
from straingauge.http.query import encode_path
from straingauge.http.redirects import REDIRECTS
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site
from straingauge.journey.redirect import follow_up
from straingauge.locust.http import redirects
from straingauge.locust.http.client_context import ClientOwner, RequestRecorder, TargetRules
from straingauge.locust.http.connection_pool import ConnectionPool
from straingauge.locust.http.cookies import Cookies, GivenCookies
from straingauge.locust.http.origin import Base, Origin, base_of, origin_of
from straingauge.locust.http.request_body import Data
from straingauge.locust.http.request_builder import Options, RequestBuilder
from straingauge.locust.http.response import GOOD, LocustResponse
from straingauge.locust.http.session_settings import SessionSettings, TlsOptions
from straingauge.redaction import redact


class Client(SessionSettings):
    """Sends one request after the other, or several at once from as many greenlets.

    Each request is recorded once.

    Args:
        owner: the user.
        recorder: records the requests.
        rules: decides where requests may go.
        connections: the user's connections.
        host: Locust's host: scheme, host and port, perhaps with a path, a user and a password;
            empty for none, which leaves whole URLs.
        settings: settings of connections.

    Raises:
        UsageError: the host is no URL.

    Attributes:
        request_name: name of plain calls without their own; see `rename_request`.
        close: closes the connections, so that the next call opens one.
    """

    def __init__(
        self,
        owner: ClientOwner,
        recorder: RequestRecorder,
        rules: TargetRules,
        connections: ConnectionPool,
        host: str,
        *,
        settings: HttpSettings,
    ) -> None:
        super().__init__()
        self._owner = owner
        self._recorder = recorder
        self._rules = rules
        self._connections = connections
        self._base = base_of(host) if host else Base("", "", None)
        self._cookies = Cookies(owner.journey_user)
        common = settings.request_headers()
        self._builder = RequestBuilder(owner.journey_user, self._base, self._cookies, common)
        self._settings = settings
        owner.journey_user.site = self._base.site(settings) if host else None
        self._origins: dict[str, Origin] = {}
        self.request_name: str | None = None
        self.close = connections.close

    @property
    def base_url(self) -> str:
        """The URL that relative URLs refer to."""
        return self._base.origin + self._base.path

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request, including those of journeys."""
        return self._owner.journey_user.headers

    @headers.setter
    def headers(self, headers: Mapping[str, str]) -> None:
        self._owner.journey_user.headers = dict(headers)

    @property
    def cookies(self) -> RequestsCookieJar:
        """Cookies that services have set, or the load test; sent with plain calls."""
        return self._cookies.jar

    @cookies.setter
    def cookies(self, cookies: GivenCookies) -> None:
        self._cookies.jar = cookies

    @property
    def cookiejar(self) -> RequestsCookieJar:
        """The cookies, under FastHttpUser's name."""
        return self._cookies.jar

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

    def iter_lines(self, url: str, method: str = "GET", **options: Any) -> Iterator[str]:  # noqa: ANN401  see `request`
        """Send a request and yield the lines of its response.

        Raises:
            RequestFailed: there is no whole response.
            CatchResponseError: its status means failure.
        """
        response = self.request(method, url, **options)
        response.raise_for_status()
        yield from response.iter_lines()

    def request(
        self,
        method: str,
        url: str,
        name: str | None = None,
        *,
        catch_response: bool = False,
        allow_redirects: bool = True,
        context: Mapping[str, Any] | None = None,
        stream: bool = False,  # noqa: ARG002  the whole response is received in any case
        verify: bool | str | None = None,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        hooks: Mapping[str, Any] | None = None,
        **options: Unpack[Options],
    ) -> LocustResponse:
        """Send a request, with the interface of Locust's clients.

        Args:
            method: the method.
            url: a path, or a whole URL.
            name: its name in reports, in place of its URL.
            catch_response: let a with-block decide whether it succeeded; it is recorded at its end.
            allow_redirects: follow redirects.
            context: added to the context that listeners to `events.request` receive.
            stream: has no effect.
            verify: check the server's certificate, perhaps against the certificates of this file
                or folder; by default as the user class says.
            cert: the client's certificate, or a pair of the certificate and its key: files.
            proxies: not supported.
            hooks: not supported.
            options: see `request_builder.Options`.

        Raises:
            ValueError: it cannot be sent.
            TypeError: an option does not exist.
        """
        method = method.upper()  # as requests does; methods are case-sensitive for servers
        try:
            if proxies or hooks:
                self.refuse("proxies" if proxies else "hooks")
            tls = None
            if self.is_changed or verify is not None or cert is not None:
                tls = self.tls_options(verify, cert, insecure=self._owner.insecure)
                self.add_to(options)
            request, origin_url, host = self._builder.build(
                method, url, name or self.request_name, options
            )
        except UsageError as refusal:
            self._give_up(refusal)
        origin, due_ns = self._origin(origin_url), self._take_due_ns()
        response = self._connections.send(request, origin, host or origin.host, "main", due_ns, tls)
        response.origin = origin_url
        if response.status in REDIRECTS and allow_redirects:
            response = self._follow(response, options.get("cookies"), tls)
        self._cookies.keep(response.raw_headers, response.origin, response.request.target)
        error: Exception | None = response.error
        if error is None and response.status not in GOOD:
            error = CatchResponseError(f"status {response.status}")
        name = redact(name or self.request_name or url)
        recorder = self._recorder
        if catch_response:
            event = recorder.event(method, name, response, error, context)
            return response.catch(event, recorder.report_caught)
        if error is None and not recorder.has_listeners:
            recorder.report_success("main", request.name, method, name, response)
        else:
            event = recorder.event(method, name, response, error, context)
            recorder.report("main", request.name, response, event)
        return response

    @contextmanager
    def rename_request(self, name: str) -> Iterator[None]:
        """Give calls without a name this one, within the block."""
        self.request_name = name
        try:
            yield
        finally:
            self.request_name = None

    def _follow(
        self, response: LocustResponse, cookies: GivenCookies | None, tls: TlsOptions | None
    ) -> LocustResponse:
        """Follow redirects; all of them count as one request, begun when the first one was.

        A redirect to a host that must not be put under load, or that does not resolve, is a
        failure of this request: unlike the load test's own hosts, it was named by the service.
        """
        jar, max_redirects = self._cookies, self.max_redirects or self._owner.max_redirects
        try:
            jar.keep(response.raw_headers, response.origin, response.request.target)
            while built := redirects.build_next(response, jar, max_redirects, cookies):
                origin, due_ns = self._find_origin(built.origin), response.intended_ns
                previous = response
                response = self._connections.send(
                    built.request, origin, origin.host, "main", due_ns, tls
                )
                response.history, response.origin = (*previous.history, previous), built.origin
                response.sent_ns = previous.sent_ns
                jar.keep(response.raw_headers, response.origin, response.request.target)
        except RequestFailed as error:
            response.error, response.status = error, 0
        except StraingaugeError as error:
            detail = f"redirected to {response.headers['location']!r}: {error}"
            response.error, response.status = RequestFailed(ErrorKind.REDIRECT, detail), 0
        return response

    # Journeys.

    def send(self, request: Request, phase: str) -> LocustResponse | RequestFailed:
        """Send a journey's request, and check the response as the journey requires.

        Each redirect that is followed is recorded as a separate request.
        """
        redirected: Request | None = request
        while redirected is not None:
            outcome, redirected = self._send_once(redirected, phase)
        return outcome

    def _send_once(
        self, request: Request, phase: str
    ) -> tuple[LocustResponse | RequestFailed, Request | None]:
        """Send one request of a journey; return its outcome, and the request that follows."""
        base, user = self._base, self._owner.journey_user
        request, origin, host, site = self.place(request)
        response = self._connections.send(request, origin, host, phase, self._take_due_ns())
        response.origin = request.origin or base.origin
        user.keep_cookies(response, site)
        failure, redirected = response.error or check_response(response), None
        if failure is not None and response.error is None:
            redirected, failure = follow_up(user, response, failure, site, self._find_origin)
        method = request.method
        name = redact(request.name).removeprefix(f"{method} ")
        recorder = self._recorder
        if failure is None and not recorder.has_listeners:
            recorder.report_success(phase, request.name, method, name, response)
            return response, redirected
        event = recorder.event(method, name, response, failure, None)
        recorder.report(phase, request.name, response, event)
        return failure or response, redirected

    def place(self, request: Request) -> tuple[Request, Origin, bytes, Site]:
        """Put a journey's request below the base path; return where it goes, with its cookies."""
        base, user = self._base, self._owner.journey_user
        if base.path and not request.from_root:
            target = encode_path(base.path) + request.target
            request = replace(request, target=target, encoded=None, from_root=True)
        origin = self._origin(request.origin or base.origin)
        host = origin.host
        site = user.site if request.origin is None else Site.of(origin.address)
        assert site is not None
        if user.has_cookies:
            host += user.cookie_line(request, site)
        return request, origin, host, site

    # Both.

    def refuse(self, name: str) -> NoReturn:
        """End the run because of a setting of `requests` that this client does not have."""
        try:
            super().refuse(name)
        except UsageError as error:
            self._give_up(error)

    def _take_due_ns(self) -> int | None:
        """Return when the next request should be sent, once: a task's later ones have no time."""
        due_ns = self._owner.due_ns
        if due_ns is not None:
            self._owner.due_ns = None
        return due_ns

    def _origin(self, url: str) -> Origin:
        try:
            return self._find_origin(url)
        except StraingaugeError as error:
            self._give_up(error)

    def _find_origin(self, url: str) -> Origin:
        """Return an origin, resolved once.

        Raises:
            UsageError: it is missing or invalid, or must not be put under load.
            TargetError: its name does not resolve.
        """
        known = self._origins.get(url)
        if known is not None:
            return known
        if not url:
            raise UsageError("no host given", hint="--host http://localhost:8000")
        is_own = url == self._base.origin
        settings = self._settings if is_own else self._settings.for_other_host(url)
        found = self._origins[url] = origin_of(url, self._rules.allowed_hosts, settings)
        return found

    def _give_up(self, error: StraingaugeError) -> NoReturn:
        """End the run with one message for all users, and this user at once."""
        self._rules.fail_setup(error)
        raise GreenletExit
