"""Sends exports to a URL that the user names."""

import base64
import http.client
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import unquote, urlsplit

from straingauge.errors import UsageError

TIMEOUT_S: Final = 5.0
MAX_ANSWER: Final = 200  # characters of a refusal that are shown


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
        UsageError: It is no URL of http or https.
    """

    def __init__(
        self, url: str, default_path: str, headers: Mapping[str, str], *, option: str
    ) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{option}: {error}: {url}") from error
        if parts.scheme not in ("http", "https"):
            raise UsageError(f"{option}: this is no URL of http or https: {url}")
        if not host:
            raise UsageError(f"{option}: this URL names no host: {url}")
        self.path = parts.path.rstrip("/") or default_path
        self.path += f"?{parts.query}" if parts.query else ""
        self.headers = {"User-Agent": "straingauge", **headers}
        if parts.username is not None:
            account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            token = base64.b64encode(account.encode()).decode()
            self.headers["Authorization"] = f"Basic {token}"
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
