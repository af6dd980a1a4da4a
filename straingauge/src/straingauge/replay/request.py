"""A request of an access log."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request of an access log, as `--map` gets it and may change it.

        def renumber(request):
            return replace(request, target=request.target.replace("/users/17", "/users/1"))

    Attributes:
        method: The method, in capitals.
        target: Path and query, such as "/books/17?page=2".
        status: Status of the response; 0 if the log does not have it.
        at_ns: Time in nanoseconds since 1970; 0 if the log has no times.
        client: Address of the client.
        agent: Its user agent; empty if the log does not have it.
        headers: Headers to send; logs have none.
        body: Body to send; logs have none.
    """

    method: str
    target: str
    status: int = 0
    at_ns: int = 0
    client: str = ""
    agent: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | str | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def session(self) -> tuple[str, str]:
        """Client and user agent; their requests are sent by one user, in order."""
        return self.client, self.agent
