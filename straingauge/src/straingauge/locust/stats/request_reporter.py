"""What is told of a request that has ended: to the run's record, and to Locust."""

import re
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

from gevent import GreenletExit
from locust.env import Environment
from locust.exception import CatchResponseError

from straingauge.http import RequestFailed
from straingauge.journey import User
from straingauge.locust.http.connection_pool import ConnectionPool
from straingauge.locust.http.response import LocustResponse, failure_of
from straingauge.locust.session import Session
from straingauge.locust.stats.stats_batcher import batcher_of

_IDS: Final = re.compile(r"\b[0-9a-f][0-9a-f-]{15,}\b")


class Owner(Protocol):
    """The user behind a client; see `JourneyUser`."""

    environment: Environment
    player: User
    due_ns: int | None
    max_redirects: int

    def context(self) -> dict[str, Any]:
        """What the user adds to each request's context."""


class RequestReporter:
    """Tells of one user's requests, each once.

    A user that was killed while its last request was on its way ends as soon as that is told.
    """

    __slots__ = ("_fire", "_lines", "_owner", "_session", "_tally")

    def __init__(self, owner: Owner, session: Session, lines: ConnectionPool) -> None:
        self._owner = owner
        self._session = session
        self._lines = lines
        self._fire = owner.environment.events.request.fire
        self._tally = batcher_of(owner.environment, session.on_request)

    @property
    def alone(self) -> bool:
        """Whether nobody but Locust's own statistics wants to be told; see `count`."""
        return self._tally.alone

    def count(
        self, phase: str, endpoint: str, method: str, name: str, answer: LocustResponse
    ) -> None:
        """Tell of a request that went well, where nobody else wants to hear of it."""
        self._session.part.recording.add(phase, endpoint, answer, None)
        self._tally.add(method, name, answer.response_ms, len(answer.raw_body))
        if self._lines.killed:
            raise GreenletExit

    def tell(self, phase: str, endpoint: str, answer: LocustResponse, meta: dict[str, Any]) -> None:
        """Tell of any request: `meta` is what listeners are told."""
        error, taken_ms = meta["exception"], meta["response_time"]
        if error is None and taken_ms is not None and self._tally.alone:
            self.count(phase, endpoint, meta["request_type"], meta["name"], answer)
            return
        self._tally.flush()  # those before come first
        failure = None if error is None else failure_of(answer, error)
        self._session.part.recording.add(phase, endpoint, answer, failure)
        if error.__class__ is RequestFailed:
            # As Locust's tables show it: without ids, so that equal ones are one line.
            meta["exception"] = CatchResponseError(_IDS.sub("…", str(error)))
        self._fire(response=answer, **meta)
        if self._lines.killed:
            raise GreenletExit

    def tell_judged(self, answer: LocustResponse, error: Exception | None) -> None:
        """A with-block has come to its end; listeners are told what it has made of the answer."""
        meta = answer.request_meta
        taken_ms = meta["response_time"]
        if taken_ms is not None and taken_ms != answer.response_ms:
            answer.done_ns = answer.intended_ns + round(taken_ms * 1e6)
        meta["exception"] = error
        self.tell("main", f"{meta['request_type']} {meta['name']}", answer, meta)

    def meta(
        self,
        method: str,
        name: str,
        answer: LocustResponse,
        error: Exception | None,
        context: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """What listeners are told beside the answer, as Locust's own clients word it.

        The answer keeps it, so the answer is not in it: a cycle of them, and of all that was read
        from the content, only the garbage collector could free.
        """
        return {
            "request_type": method,
            "name": name,
            "context": {**self._owner.context(), **(context or {})},
            "exception": error,
            "start_time": time.time() - (time.monotonic_ns() - answer.sent_ns) / 1e9,
            "url": answer.url,
            "response_length": len(answer.raw_body),
            "response_time": answer.response_ms,
        }
