"""An HTTP connection that says whether a request was answered, refused or broken off."""

import http.client
import json
import select
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

HOST = "127.0.0.1"
TIMEOUT_S = 60.0
"""Longer than any disturbance: a client that gives up earlier cannot know what was stored."""


@dataclass(frozen=True)
class Answer:
    """The response to a request.

    Attributes:
        status: The status; 0 if no response came.
        body: The decoded JSON, or the bytes of a recording.
        reason: Why no response came.
    """

    status: int
    body: Any = None
    reason: str = ""

    @property
    def is_success(self) -> bool:
        """True if the request was served."""
        return 200 <= self.status < 300


class Connection:
    """A connection that is kept alive.

    Before it is used again, it is checked that the server has not closed it, as httpx and urllib3
    do. A request is sent once.
    """

    def __init__(self, port: int, timeout_s: float = TIMEOUT_S) -> None:
        self._port = port
        self._timeout_s = timeout_s
        self._http: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        payload: object = None,
        content: tuple[str, bytes] | None = None,
    ) -> Answer:
        """Send a request and read the response.

        Args:
            method: The method.
            path: The path.
            token: Access token.
            payload: Body, sent as JSON.
            content: Body with its media type.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = None
        if payload is not None:
            content = ("application/json", json.dumps(payload).encode())
        if content is not None:
            headers["Content-Type"], body = content
        try:
            connection = self._usable()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return Answer(0, reason=f"{method} {path}: {type(error).__name__}: {error}")
        if response.will_close:
            self.close()
        is_json = response.headers.get_content_type() == "application/json"
        return Answer(response.status, json.loads(data) if is_json else data)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._http is not None:
            with suppress(OSError):
                self._http.close()
            self._http = None

    def _usable(self) -> http.client.HTTPConnection:
        """Return the connection, or a new one if the server has closed it."""
        if self._http is not None and self._http.sock is not None:
            readable, _, _ = select.select([self._http.sock], [], [], 0)
            if not readable:
                return self._http
        self.close()
        self._http = http.client.HTTPConnection(HOST, self._port, timeout=self._timeout_s)
        return self._http


def form(fields: dict[str, str], recording: bytes) -> tuple[str, bytes]:
    """Return media type and content of an upload."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    body = b"".join([*parts, head.encode(), recording, f"\r\n--{boundary}--\r\n".encode()])
    return f"multipart/form-data; boundary={boundary}", body
