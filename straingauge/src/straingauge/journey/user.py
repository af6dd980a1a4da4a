"""Users: identity, data, and the requests they make."""

import json as jsonlib
import random
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import inf
from typing import Any, TypedDict, Unpack

from straingauge.http import Check, Request, Stream, Upload
from straingauge.http.headers import combine
from straingauge.http.query import Pairs, encode_path, encode_query
from straingauge.http.streaming import as_stream
from straingauge.journey.transaction import Transaction, TransactionObserver

Account = Callable[[int], Mapping[str, Any]]
"""Gives the user with this index its data, such as an email address and a password."""

_EXPECT_200 = frozenset({200})
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_SET_BY_CODEC = frozenset({"host", "content-length", "transfer-encoding"})
_PATH_END = re.compile("[?#]")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Paths with ids are always new, and must not all be kept.
_CACHED_REQUESTS = 64
_encoded_json = jsonlib.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class Options(TypedDict, total=False):
    """Options of a request in addition to its method and path.

    At most one of `json`, `form`, `upload` and `content` can be given, as the body. In `params` and
    `form`, None is skipped and a list repeats its name; see `http.query`. Pieces of `content`, such
    as those of a generator, are joined before they are sent. `stream` is a `Stream`, or one of
    "sse", "ndjson", "chunks" and "llm".
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


class User:
    """One virtual user.

    Attributes:
        index: number among all users of the run.
        data: data that journeys keep between requests (account, ids).
        headers: headers of each of its requests.
        account: the data it started with, as text; empty without data.
        observer: counts the transactions of the user; None outside of a load.
        open_transactions: the transactions that the user is in, the innermost last.
    """

    __slots__ = (
        "_plain",
        "_plain_headers",
        "_random",
        "account",
        "data",
        "headers",
        "index",
        "observer",
        "open_transactions",
    )

    def __init__(self, index: int, data: dict[str, Any] | None = None) -> None:
        self.index = index
        self.data: dict[str, Any] = {} if data is None else data
        self.account = repr(sorted(self.data.items())) if self.data else ""
        self.headers: dict[str, str] = {}
        self.observer: TransactionObserver | None = None
        self.open_transactions: tuple[Transaction, ...] = ()
        self._random: random.Random | None = None  # 2.5 kB, and many users never need it
        self._plain: dict[tuple[str, str], Request] = {}
        self._plain_headers: dict[str, str] = {}

    @property
    def random(self) -> random.Random:
        """Random number generator, seeded by the index so that runs are repeatable."""
        if self._random is None:
            # Random load needs no cryptographic randomness.
            self._random = random.Random(self.index)  # noqa: S311
        return self._random

    def authorize(self, token: str) -> None:
        """Send `Authorization: Bearer <token>` with each request from now on."""
        self.headers["Authorization"] = f"Bearer {token}"

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

        Its `name` defaults to the method and the path without its query.

        Raises:
            ValueError: the path does not begin with "/", a header has a line break, the timeout is
                not more than 0, or more than one body was given.
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

    def _make(self, method: str, path: str, options: Options) -> Request:
        body, content_type = _body(options)
        own = options.get("headers") or {}
        stream = as_stream(options.get("stream"))
        if stream is not None and stream.format == "sse":
            own = combine({"Accept": "text/event-stream"}, own)
        headers = _headers(tuple(self.headers.items()), content_type, tuple(own.items()))
        _check_method(method)
        timeout_s = options.get("timeout_s")
        if timeout_s is not None and not 0 < timeout_s < inf:
            raise ValueError(f"timeout_s must be more than 0, not {timeout_s}")
        if stream is not None and (timeout_s or inf) < (stream.max_s or 0):
            raise ValueError(f"timeout_s is {timeout_s}, before the stream's max_s {stream.max_s}")
        expect = options.get("expect", _EXPECT_200)
        return Request(
            method,
            _target(path, options.get("params")),
            options.get("name") or f"{method} {_PATH_END.split(path, maxsplit=1)[0]}",
            headers,
            body,
            expect if isinstance(expect, frozenset) else frozenset(expect),
            tuple(options.get("checks", ())),
            timeout_s,
            stream,
        )

    def __repr__(self) -> str:
        return f"User({self.index})"


def _body(options: Options) -> tuple[bytes | Upload | None, str | None]:
    """Return the body among the options, and its content type if that follows from it."""
    given = [key for key in ("json", "form", "upload", "content") if options.get(key) is not None]
    if len(given) > 1:
        raise ValueError(f"a request has one body, not {' and '.join(given)}")
    if (value := options.get("json")) is not None:
        return _encoded_json(value).encode(), "application/json"
    if (form := options.get("form")) is not None:
        return encode_query(form).encode(), "application/x-www-form-urlencoded"
    if (upload := options.get("upload")) is not None:
        return upload, None  # an upload knows its own type and boundary
    content = options.get("content")
    if isinstance(content, str):
        return content.encode(), None
    if content is None or isinstance(content, bytes):
        return content, None
    return b"".join(content), None


def _target(path: str, params: Pairs | None) -> str:
    path = path.partition("#")[0]  # a fragment is never sent (RFC 9110, section 4.2.4)
    if not path.startswith("/"):
        raise ValueError(f'a path begins with "/": {path!r}')
    if params and (query := encode_query(params)):
        path += ("&" if "?" in path else "?") + query
    return encode_path(path)


@lru_cache(maxsize=64)
def _check_method(method: str) -> None:
    if not _TOKEN.fullmatch(method):
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
        if not isinstance(value, str):
            raise ValueError(f"header {name!r} must be text, not {value!r}")  # noqa: TRY004  as below
        if not _TOKEN.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"header {name!r} cannot be sent: {value!r}")
        if name.lower() in _SET_BY_CODEC:
            raise ValueError(f"header {name!r} follows from the request and is not set by hand")
    return headers
