"""Sends exports to a URL that the user names."""

import base64
import http.client
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from straingauge.errors import UsageError
from straingauge.http.headers import require_sendable
from straingauge.redaction import hide

TIMEOUT_S: Final = 5.0
MAX_ANSWER: Final = 200  # characters of a refusal that are shown
_NOT_IN_URL: Final = re.compile(r"[^!-~]")


class HttpSender:
    """A connection that is kept alive; neither proxies nor redirects are followed.

    Args:
        url: The URL; a user and password in it are sent as basic authentication.
        default_path: The path, if the URL has none.
        headers: Headers of each request.
        option: The option with the URL, for errors.

    Attributes:
        path: Path and query.
        headers: Headers of each request.

    Raises:
        UsageError: It is no URL of http or https, or a header cannot be sent; the message shows
            neither the password nor a header's value.
    """

    def __init__(
        self, url: str, default_path: str, headers: Mapping[str, str], *, option: str
    ) -> None:
        try:
            parts = urlsplit(url)
            hide(unquote(parts.password or ""))
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{option}: {error}: {url}") from error
        if parts.scheme not in ("http", "https"):
            raise UsageError(f"{option}: this is no URL of http or https: {url}")
        if not host:
            raise UsageError(f"{option}: this URL names no host: {url}")
        self.path = parts.path.rstrip("/") or default_path
        self.path += f"?{parts.query}" if parts.query else ""
        if wrong := _NOT_IN_URL.search(self.path):
            encoded = quote(wrong[0])
            raise UsageError(f"{option}: write {wrong[0]!r} as {encoded} in this URL: {url}")
        self.headers = {"User-Agent": "straingauge", **headers}
        if parts.username is not None:
            account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            token = base64.b64encode(account.encode()).decode()
            self.headers["Authorization"] = f"Basic {token}"
        for name, value in self.headers.items():
            _require_sendable(name, value, option)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(host, port, timeout=TIMEOUT_S)

    def send(self, body: bytes) -> bytes:
        """Send a body; return that of the answer.

        Raises:
            OSError: It was not accepted.
        """
        try:
            status, answer = self._post(body)
        except (ConnectionError, http.client.HTTPException):
            self._connection.close()  # a kept connection that the receiver has closed meanwhile
            status, answer = self._post(body)
        if not 200 <= status < 300:
            text = " ".join(answer.decode("utf-8", "replace").split())[:MAX_ANSWER]
            raise OSError(f"status {status}: {text}" if text else f"status {status}")
        return answer

    def close(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            self._connection.close()

    def _post(self, body: bytes) -> tuple[int, bytes]:
        self._connection.request("POST", self.path, body, self.headers)
        response = self._connection.getresponse()
        return response.status, response.read()


def _require_sendable(name: str, value: str, option: str) -> None:
    try:
        require_sendable(name, value)
    except ValueError as error:
        # Its own message has the value, which may be a token.
        raise UsageError(
            f"{option}: the header {name!r} cannot be sent",
            hint="remove line breaks from its value; a name is one word of ASCII",
        ) from error
