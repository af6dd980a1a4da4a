"""The user, the recorder and the rules that a client belongs to, as it sees them."""

from collections.abc import Mapping
from typing import Any, Protocol

from straingauge.errors import StraingaugeError
from straingauge.journey import User
from straingauge.locust.http.response import LocustResponse


class ClientOwner(Protocol):
    """The Locust user that a client belongs to.

    Attributes:
        journey_user: its headers are sent with every request.
        due_ns: when the next request should be sent; None for at once.
        max_redirects: how many redirects a plain call follows.
        insecure: any certificate is accepted, unless a call says otherwise.
    """

    journey_user: User
    due_ns: int | None
    max_redirects: int
    insecure: bool


class RequestRecorder(Protocol):
    """Records each request once; see `RequestReporter`."""

    @property
    def has_listeners(self) -> bool:
        """Some listener needs the event of each request."""

    def report_success(
        self, phase: str, endpoint: str, method: str, name: str, response: LocustResponse
    ) -> None:
        """Record a successful request when there are no listeners."""

    def report(
        self, phase: str, endpoint: str, response: LocustResponse, event: dict[str, Any]
    ) -> None:
        """Record any request."""

    def report_caught(self, response: LocustResponse, error: Exception | None) -> None:
        """Record a request whose `catch_response` block has ended."""

    def event(
        self,
        method: str,
        name: str,
        response: LocustResponse,
        error: Exception | None,
        context: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """Return the arguments of Locust's request event, except the response."""


class TargetRules(Protocol):
    """Which hosts may be put under load; see `Session`."""

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Hosts other than this machine that may be put under load."""

    def fail_setup(self, error: StraingaugeError) -> None:
        """End the run with one message for all users."""
