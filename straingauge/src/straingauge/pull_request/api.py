"""Requests to a JSON API over HTTP, with its refusals as errors."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from straingauge.errors import TargetError, UsageError
from straingauge.json_text import parse_json

TIMEOUT_S: Final = 30.0
PAGE_SIZE: Final = 100  # the largest of both APIs
_LOCAL: Final = re.compile(r"127\.\d+\.\d+\.\d+|localhost|::1")


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would take the token to another address."""

    def redirect_request(self, *_args: object, **_named: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Api:
    """An API with its credentials.

    Attributes:
        url: Base URL, without a slash at its end.
        headers: Sent with each request; they contain the token.
        refused_hint: What helps against a refusal (401, 403 or 404).
    """

    url: str
    headers: dict[str, str]
    refused_hint: str

    def __post_init__(self) -> None:
        """Refuse to send a token in clear text to another machine; raises UsageError."""
        if urlsplit(self.url).scheme != "https" and not self._is_local:
            raise UsageError(f"{self.url}: the token is sent over https only")

    def call(self, method: str, path: str, content: object = None) -> Any:  # noqa: ANN401  JSON
        """Send a request.

        Args:
            method: Of HTTP.
            path: Below the base URL.
            content: Sent as JSON; None for no content.

        Returns:
            The response's JSON.

        Raises:
            TargetError: The API cannot be reached, refuses the request, or sends no JSON.
        """
        data = None if content is None else json.dumps(content).encode()
        typed = {} if data is None else {"Content-Type": "application/json"}
        request = Request(  # noqa: S310  the scheme is checked above
            f"{self.url}{path}", data, {**self.headers, **typed}, method=method
        )
        where = f"{method} {self.url}{path}"
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as response:
                return parse_json(response.read())
        except HTTPError as error:
            with error:
                said = error.read(2000).decode(errors="replace")
            hint = self.refused_hint if error.code in (401, 403, 404) else None
            raise TargetError(f"{where}: status {error.code}: {_message(said)}", hint) from error
        except URLError as error:
            raise TargetError(f"{where}: {error.reason}") from error
        except (OSError, ValueError) as error:
            raise TargetError(f"{where}: {error}") from error

    @property
    def _is_local(self) -> bool:
        return bool(_LOCAL.fullmatch(urlsplit(self.url).hostname or ""))

    @property
    def _opener(self) -> OpenerDirector:
        proxies = [ProxyHandler({})] if self._is_local else []  # none for loopback
        return build_opener(_NoRedirects, *proxies)


def _message(said: str) -> str:
    """Return the API's own sentence, or the beginning of what it sent."""
    try:
        content = parse_json(said)
    except ValueError:
        return " ".join(said.split())[:200]
    found = content.get("message") or content.get("error") if isinstance(content, dict) else None
    return str(found or content)[:200]
