"""Users: identity, data, and the requests they make."""

import random
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import inf
from typing import Any, TypedDict, Unpack

from straingauge.http import Check, Request, Response, Stream, Upload
from straingauge.http.authentication import Auth, bearer_auth
from straingauge.http.cookies import CookieJar, CookieMode, sets_cookies
from straingauge.http.headers import TOKEN, combine, require_sendable
from straingauge.http.query import Pairs, encode_path, encode_query
from straingauge.http.redirects import MAX_REDIRECTS, SAFE_HEADERS
from straingauge.http.settings import HttpSettings
from straingauge.http.site import Site, split_url
from straingauge.http.streaming import as_stream
from straingauge.http.websocket.steps import MAX_MESSAGE_BYTES, SWITCHED, Connect
from straingauge.journey.request_body import encode_body
from straingauge.journey.transaction import Transaction, TransactionObserver

Account = Callable[[int], Mapping[str, Any]]
"""Gives the user with this index its data, such as an email address and a password."""

_EXPECT_200 = frozenset({200})
_URLS = ("http://", "https://")
_PATH_END = re.compile("[?#]")
# Paths with ids are always new, and must not all be kept.
_CACHED_REQUESTS = 64
_DEFAULTS = HttpSettings()


class Options(TypedDict, total=False):
    """Options of a request in addition to its method and path.

    At most one of `json`, `form`, `upload` and `content` can be given, as the body. In `params` and
    `form`, None is skipped and a list repeats its name; see `http.query`. Pieces of `content`, such
    as those of a generator, are joined before they are sent. `stream` is a `Stream`, or one of
    "sse", "ndjson", "chunks" and "llm". A redirect is followed only with `follow_redirects`, and if
    its status is not among `expect`; each one counts as a separate request.
    """

    name: str | None
    params: Pairs | None
    headers: Mapping[str, str] | None
    json: Any
    form: Pairs | None
    upload: Upload | None
    content: bytes | str | Iterable[bytes] | None
    expect: Iterable[int]
    checks: Iterable[Check]
    timeout_s: float | None
    stream: Stream | str | None
    follow_redirects: bool | None


class User:
    """One virtual user.

    Attributes:
        index: number among all users of the run.
        data: data that journeys keep between requests (account, ids).
        headers: headers of each of its requests.
        max_redirects: redirects that may follow one another.
        cookie_mode: how long cookies are kept.
        account: the data it started with, as text; empty without data.
        observer: counts the transactions of the user; None outside of a load.
        open_transactions: the transactions that the user is in, the innermost last.
    """

    __slots__ = (
        *("_auth", "_follows_redirects", "_jar", "_params", "_plain", "_plain_headers", "_random"),
        *("_site", "account", "cookie_mode", "data", "has_cookies", "headers", "index"),
        *("max_redirects", "observer", "open_transactions"),
    )

    def __init__(
        self,
        index: int,
        data: dict[str, Any] | None = None,
        settings: HttpSettings = _DEFAULTS,
    ) -> None:
        self.index = index
        self.data: dict[str, Any] = {} if data is None else data
        self.account = repr(sorted(self.data.items())) if self.data else ""
        self.observer: TransactionObserver | None = None
        self.open_transactions: tuple[Transaction, ...] = ()
        self.headers: dict[str, str] = dict(settings.headers)
        self._follows_redirects = settings.follow_redirects
        self.max_redirects = settings.max_redirects or MAX_REDIRECTS
        self.cookie_mode: CookieMode = settings.cookies or "per-user"
        self._params: tuple[tuple[str, str], ...] = ()
        self._site: Site | None = None
        self.has_cookies = False
        self._jar: CookieJar | None = None
        self._random: random.Random | None = None  # 2.5 kB, and many users never need it
        self._plain: dict[tuple[str, str], Request] = {}
        self._plain_headers: dict[str, str] = {}
        self._auth = settings.auth
        if settings.auth is not None:
            self.authorize(settings.auth)

    @property
    def random(self) -> random.Random:
        """Random number generator, seeded by the index so that runs are repeatable."""
        if self._random is None:
            # Random load needs no cryptographic randomness.
            self._random = random.Random(self.index)  # noqa: S311
        return self._random

    @property
    def cookies(self) -> CookieJar:
        """Its cookies: those that services have set, and those that journeys set."""
        if self._jar is None:
            self._jar, self.has_cookies = CookieJar(self._site.host if self._site else ""), True
        return self._jar

    @property
    def site(self) -> Site | None:
        """The target; None outside of a load."""
        return self._site

    @site.setter
    def site(self, site: Site | None) -> None:
        self._site = site
        if self._jar is not None:
            self._jar.home = site.host if site else ""

    @property
    def has_common_auth(self) -> bool:
        """Its requests are authorized by the setting `auth`, like those of all users."""
        auth, name = self._auth, "Authorization"
        return auth is not None and self.headers.get(name) == dict(auth.headers).get(name)

    @property
    def follow_redirects(self) -> bool:
        """Follow the redirects of requests that do not say otherwise."""
        return self._follows_redirects

    @follow_redirects.setter
    def follow_redirects(self, follow: bool) -> None:
        self._follows_redirects = follow
        self._plain.clear()

    def begin_log_in(self) -> None:
        """Forget the cookies of an earlier log-in, which has expired."""
        if self.has_cookies:
            self.cookies.clear()
            for name, value in self._auth.cookies if self._auth else ():
                self.cookies.set(name, value)

    def end_log_in(self) -> None:
        """Let journeys begin with the present cookies, if cookies are kept per journey."""
        if self.has_cookies:
            self.cookies.save()

    def keep_cookies(self, response: Response, site: Site) -> None:
        """Store the cookies that a response from a site sets, if it does."""
        if self.cookie_mode != "off" and sets_cookies(response.raw_headers):
            request = response.request
            target = request.target if request.from_root else site.base_path + request.target
            self.cookies.keep(response.raw_headers, site, target)

    def cookie_line(self, request: Request, site: Site) -> bytes:
        """Return the line of the header Cookie for a request to a site, CRLF first."""
        if any(name.lower() == "cookie" for name in request.headers):
            return b""
        target = request.target if request.from_root else site.base_path + request.target
        return self.cookies.line(site, target)

    def authorize(self, auth: str | Auth) -> None:
        """Authorize each request from now on.

        Args:
            auth: a token, sent as `Authorization: Bearer <token>`; or what `basic_auth`,
                `bearer_auth` or `api_key` returns.
        """
        given = auth if isinstance(auth, Auth) else bearer_auth(auth)
        self.headers = combine(self.headers, dict(given.headers))
        self._params = given.params
        self._plain.clear()
        for name, value in given.cookies:
            self.cookies.set(name, value)

    def transaction(self, name: str) -> Transaction:
        """Time a part of the journey as a whole, under its own name.

            with user.transaction("checkout"):
                yield user.post("/basket", json=item)
                yield Pause(2)
                yield user.post("/order")

        Its response time is that from the begin to the end of the block, without the pauses of the
        journey; the result has the time with pauses as well. The first request of a journey begins
        when it was due (no coordinated omission). A failed request in it fails it, as does an
        exception; one whose user was stopped in it is counted as abandoned, and has no time.
        Transactions may be nested.

        Raises:
            ValueError: the name is empty, or has line breaks.
        """
        if not name.strip() or len(name.splitlines()) > 1:
            raise ValueError(f"the name of a transaction is one line of text, not {name!r}")
        return Transaction(name, self)

    def get(self, path: str, **options: Unpack[Options]) -> Request:
        """Make a GET request."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Unpack[Options]) -> Request:
        """Make a POST request."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[Options]) -> Request:
        """Make a PUT request."""
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[Options]) -> Request:
        """Make a PATCH request."""
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[Options]) -> Request:
        """Make a DELETE request."""
        return self.request("DELETE", path, **options)

    def request(self, method: str, path: str, **options: Unpack[Options]) -> Request:
        """Make a request of any method; see `Options`.

        Its `name` defaults to the method and the path without its query. A whole URL goes to that
        host, which must be this machine or allowed, over its own connection. If it is not the
        target, its name has the URL, and of the user's headers it has only those that say nothing
        of who asks: give credentials with `headers`.

        Raises:
            ValueError: the path is no URL and does not begin with "/", a header has a line break,
                the timeout is not more than 0, or more than one body was given.
        """
        if options:
            return self._make(method, path, options)
        # The most frequent request by far is the same plain GET: it is made once.
        if self.headers != self._plain_headers or len(self._plain) > _CACHED_REQUESTS:
            self._plain.clear()
            self._plain_headers = self.headers.copy()
        request = self._plain.get((method, path))
        if request is None:
            request = self._plain[method, path] = self._make(method, path, options)
        return request

    def websocket(
        self,
        path: str,
        *,
        subprotocols: Iterable[str] = (),
        compress: bool = False,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        **options: Unpack[Options],
    ) -> Connect:
        """Make the step that opens a WebSocket; the journey receives a `WebSocket`.

        Its `name` defaults to "WS" and the path without its query; see `Connect`, and `Options`
        for `params`, `headers` and `timeout_s`.

        Raises:
            ValueError: as `request`, or a subprotocol or the message size cannot be used.
        """
        name = options.get("name") or f"WS {_PATH_END.split(path, maxsplit=1)[0]}"
        request = self._make("GET", path, {**options, "name": name, "expect": SWITCHED})
        return Connect(request, tuple(subprotocols), compress, max_message_bytes)

    def _make(self, method: str, path: str, options: Options) -> Request:
        body, content_type = encode_body(options)
        own = options.get("headers") or {}
        stream = as_stream(options.get("stream"))
        if stream is not None and stream.format == "sse":
            own = combine({"Accept": "text/event-stream"}, own)
        origin, from_root = None, False
        of_user = self.headers
        if path.startswith(_URLS):
            url_site, path = split_url(path)
            from_root = True
            if self._site is None or url_site.origin != self._site.origin:
                origin = url_site.origin
                # Credentials of the target are not for others.
                of_user = {
                    name: value for name, value in of_user.items() if name.lower() in SAFE_HEADERS
                }
        headers = _headers(tuple(of_user.items()), content_type, tuple(own.items()))
        _check_method(method)
        timeout_s = options.get("timeout_s")
        if timeout_s is not None and not 0 < timeout_s < inf:
            raise ValueError(f"timeout_s must be more than 0, not {timeout_s}")
        if stream is not None and (timeout_s or inf) < (stream.max_s or 0):
            raise ValueError(f"timeout_s is {timeout_s}, before the stream's max_s {stream.max_s}")
        expect, follows = options.get("expect", _EXPECT_200), options.get("follow_redirects")
        return Request(
            method,
            self._target(path, options.get("params"), is_own=origin is None),
            options.get("name") or f"{method} {origin or ''}{_PATH_END.split(path, maxsplit=1)[0]}",
            headers,
            body,
            expect if isinstance(expect, frozenset) else frozenset(expect),
            tuple(options.get("checks", ())),
            timeout_s,
            stream,
            self._follows_redirects if follows is None else follows,
            origin=origin,
            from_root=from_root,
        )

    def _target(self, path: str, params: Pairs | None, *, is_own: bool) -> str:
        if self._params and is_own:
            key = encode_query(self._params)
            path, hash_sign, rest = path.partition("#")
            path = f"{path}{'&' if '?' in path else '?'}{key}{hash_sign}{rest}"
        return _target(path, params)

    def __repr__(self) -> str:
        return f"User({self.index})"


def _target(path: str, params: Pairs | None) -> str:
    path = path.partition("#")[0]  # a fragment is never sent (RFC 9110, section 4.2.4)
    if not path.startswith("/"):
        raise ValueError(f'a path begins with "/": {path!r}')
    if params and (query := encode_query(params)):
        path += ("&" if "?" in path else "?") + query
    return encode_path(path)


@lru_cache(maxsize=64)
def _check_method(method: str) -> None:
    if not TOKEN.fullmatch(method):
        raise ValueError(f"{method!r} is no HTTP method")


@lru_cache(maxsize=1024)  # a user sends the same headers repeatedly
def _headers(
    of_user: tuple[tuple[str, str], ...],
    content_type: str | None,
    own: tuple[tuple[str, str], ...],
) -> Mapping[str, str]:
    """Combine the headers of a request; its own ones replace all others."""
    of_body = {"Content-Type": content_type} if content_type else {}
    headers = combine(dict(of_user), of_body, dict(own))
    for name, value in headers.items():
        require_sendable(name, value)
    return headers
