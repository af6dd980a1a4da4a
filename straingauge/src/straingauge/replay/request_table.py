"""Requests of a log in compact arrays."""

from array import array
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from straingauge.replay.request import RecordedRequest

_ASCII: Final = "".join(map(chr, range(128)))


class RequestTable:
    """Requests in the order of the log: 24 bytes each, and their targets.

    Attributes:
        at_ns: Their times.
        session: The number of the session of each.
    """

    def __init__(self) -> None:
        self.at_ns = array("q")
        self.session = array("I")
        self._sessions: dict[int, int] = {}
        self._session_count = 0
        self._ends = array("q", [0])
        self._targets = bytearray()
        self._kind = array("I")
        self._kinds: dict[tuple[str, int], int] = {}
        self._kind_list: list[tuple[str, int]] = []
        self._more: dict[int, tuple[Mapping[str, str], bytes | str | None]] = {}

    def __len__(self) -> int:
        return len(self.at_ns)

    def add(self, request: RecordedRequest, session: tuple[str, str] | None) -> None:
        """Append a request.

        Args:
            request: The request.
            session: Client and user agent that it belongs to; None for a separate session.
        """
        if request.headers or request.body is not None:
            self._more[len(self)] = (request.headers, request.body)
        kind = (request.method, request.status)
        if kind not in self._kinds:
            self._kinds[kind] = len(self._kinds)
            self._kind_list.append(kind)
        self._kind.append(self._kinds[kind])
        self.session.append(self._number(session))
        self._targets += _in_ascii(request.target).encode("ascii")
        self._ends.append(len(self._targets))
        self.at_ns.append(request.at_ns)

    def request(self, n: int) -> RecordedRequest:
        """Return a request by its place in the log, without its client."""
        method, status = self._kind_list[self._kind[n]]
        target = self._targets[self._ends[n] : self._ends[n + 1]].decode("ascii")
        headers, body = self._more.get(n, ({}, None))
        return RecordedRequest(method, target, status, self.at_ns[n], headers=headers, body=body)

    def _number(self, session: tuple[str, str] | None) -> int:
        """Return the number of a session, known by its hash of 64 bits in place of long texts."""
        next_number = self._session_count
        number = (
            next_number
            if session is None
            else self._sessions.setdefault(hash(session), next_number)
        )
        self._session_count += number == next_number
        return number


def _in_ascii(target: str) -> str:
    """Return a target with all bytes beyond ASCII percent-encoded, valid UTF-8 or not."""
    return target if target.isascii() else quote(target, safe=_ASCII, errors="surrogateescape")
