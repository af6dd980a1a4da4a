"""Counts of a log that was read, and of what is not sent."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.number_text import count

WRITES: Final = "not GET or HEAD (--writes sends them)"
NO_PATH: Final = "no HTTP request with a path"
OUTSIDE: Final = "outside of --from and --to"
MAPPED: Final = "by --map"
NO_TIME: Final = "without a time"


@dataclass(slots=True)
class LogSummary:
    """Counts of a log that was read.

    Attributes:
        log: Name of the file.
        format: Name of its format.
        lines: Lines that are not blank.
        unparsed: Of these, lines that do not have the format.
        first_unparsed: Number of the first of them.
        skipped: Requests that are not sent, by the reason.
        requests: Requests that are sent.
        sessions: Their sessions.
        users: Users that send them.
        shared: Sessions that share their user with another at the same time.
        has_clients: The log has addresses of clients.
        is_spread: Its times are whole seconds, within which requests are spread evenly.
        speed: Factor of the log's speed.
        rate_per_s: Rate that replaces the log's times, if any.
        duration_s: Duration of the replay.
        read_s: Time that reading the log took.
    """

    log: str
    format: str
    lines: int = 0
    unparsed: int = 0
    first_unparsed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    sessions: int = 0
    users: int = 0
    shared: int = 0
    has_clients: bool = False
    is_spread: bool = False
    speed: float = 1.0
    rate_per_s: float | None = None
    duration_s: float = 0.0
    read_s: float = 0.0

    def as_dict(self) -> Mapping[str, Any]:
        """Return it for the configuration in a result."""
        return {
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            "skipped": dict(self.skipped),
        }

    def text_lines(self) -> Iterator[tuple[str, str]]:
        """Yield a label and a text for each line that a user should read before the load."""
        yield "log", f"{self.log}: {self.format}, {count(self.lines, 'line')}"
        if self.unparsed:
            lines = count(self.unparsed, "line")
            first = self.first_unparsed
            yield "skipped", f"{lines} in another format; the first is line {first}"
        for reason, amount in self.skipped.items():
            yield "skipped", f"{count(amount, 'request')}: {reason}"
        requests = count(self.requests, "request")
        yield "replay", f"{requests}, {self._sessions}, {self._timing}"
        if self.is_spread and self.rate_per_s is None:
            yield "note", "the log has whole seconds: requests are spread evenly within each"
        if not self.has_clients:
            yield "note", "the log has no addresses of clients: each request is its own session"
        if self.shared:
            share = count(self.shared, "session shares", "sessions share")
            of_users = f"one of the {count(self.users, 'user')} with another at the same time"
            yield "note", f"{share} {of_users}, whose responses may delay it: raise --max-users"

    @property
    def _sessions(self) -> str:
        return count(self.sessions, "session")

    @property
    def _timing(self) -> str:
        if self.rate_per_s is not None:
            return f"{self.rate_per_s:g}/s, {self.duration_s:.6g} s"
        of_speed = "" if self.speed == 1 else f" at {self.speed:g} times the speed"
        return f"{self.duration_s:.6g} s{of_speed}"
