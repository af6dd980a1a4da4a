"""Reports of finished requests to the run's recording and to Locust."""

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
from straingauge.locust.stats.stats_batcher import get_batcher
from straingauge.recording import OTHER
from straingauge.redaction import redact

_IDS: Final = re.compile(r"\b[0-9a-f][0-9a-f-]{15,}\b")


class Owner(Protocol):
    """The user that a client belongs to; see `JourneyUser`."""

    environment: Environment
    journey_user: User
    due_ns: int | None
    max_redirects: int

    def context(self) -> dict[str, Any]:
        """Return what the user adds to the context of each request."""


class RequestReporter:
    """Reports each request of one user once.

    A user that was killed while its last request was in flight ends after that report.
    """

    __slots__ = ("_batcher", "_connections", "_fire", "_owner", "_session")

    def __init__(self, owner: Owner, session: Session, connections: ConnectionPool) -> None:
        self._owner = owner
        self._session = session
        self._connections = connections
        self._fire = owner.environment.events.request.fire
        self._batcher = get_batcher(owner.environment, session.on_request)

    @property
    def has_listeners(self) -> bool:
        """Some listener other than Locust's statistics needs the event of each request."""
        return self._batcher.has_listeners

    def report_success(
        self, phase: str, endpoint: str, method: str, name: str, response: LocustResponse
    ) -> None:
        """Report a successful request when there are no listeners, which needs no event."""
        recording = self._session.stats.recording
        recording.add(phase, endpoint, response, None)
        if recording.fold(endpoint) != endpoint:
            name = OTHER
        self._batcher.add(method, name, response.response_ms, len(response.raw_body))
        if self._connections.killed:
            raise GreenletExit

    def report(
        self, phase: str, endpoint: str, response: LocustResponse, event: dict[str, Any]
    ) -> None:
        """Report any request; `event` has the arguments of Locust's request event."""
        error, taken_ms = event["exception"], event["response_time"]
        if error is None and taken_ms is not None and not self.has_listeners:
            self.report_success(phase, endpoint, event["request_type"], event["name"], response)
            return
        self._batcher.flush()  # to keep the order of requests
        failure = None if error is None else failure_of(response, error)
        recording = self._session.stats.recording
        recording.add(phase, endpoint, response, failure)
        if recording.fold(endpoint) != endpoint:
            event["name"] = OTHER  # Locust keeps an entry for each name
        if error.__class__ is RequestFailed:
            # Without ids, so that equal errors are one line of Locust's tables.
            event["exception"] = CatchResponseError(_IDS.sub("…", redact(str(error))))
        self._fire(response=response, **event)
        if self._connections.killed:
            raise GreenletExit

    def report_caught(self, response: LocustResponse, error: Exception | None) -> None:
        """Report a request whose `catch_response` block has ended with this error, or none."""
        event = response.request_meta
        taken_ms = event["response_time"]
        if taken_ms is not None and taken_ms != response.response_ms:
            response.done_ns = response.intended_ns + round(taken_ms * 1e6)
        event["exception"] = error
        self.report("main", f"{event['request_type']} {event['name']}", response, event)

    def event(
        self,
        method: str,
        name: str,
        response: LocustResponse,
        error: Exception | None,
        context: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """Return the arguments of Locust's request event, except the response.

        The response keeps this dict, so a reference back to it would be a cycle that only the
        garbage collector could free, together with the body.
        """
        return {
            "request_type": method,
            "name": name,
            "context": {**self._owner.context(), **(context or {})},
            "exception": error,
            "start_time": time.time() - (time.monotonic_ns() - response.sent_ns) / 1e9,
            "url": response.url,
            "response_length": len(response.raw_body),
            "response_time": response.response_ms,
        }
