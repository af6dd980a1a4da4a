"""What was seen of a database, as it travels to whoever composes the result."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from straingauge.observe.activity import Blocked, Wait
from straingauge.observe.counters import Counters, Statement


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """What was seen of the database, till now.

    Attributes:
        missing: What could not be seen, and what would help.
        max_connections: The server's limit.
        active: Connections seen at work, over all looks.
        waits: What those waited for.
        blocked: Examples of who waited for whom.
        before: What had been counted when the load began, of tables and all together.
        after: The same when it was over; both are None until then.
        statements: What took most time between the two, by query id.
        statements_ms: The time of all statements between the two.
        texts: Their text, by query id.
    """

    missing: tuple[str, ...] = ()
    max_connections: int | None = None
    active: float = 0.0
    waits: Mapping[str, Wait] = field(default_factory=dict)
    blocked: tuple[Blocked, ...] = ()
    before: Counters | None = None
    after: Counters | None = None
    statements: Mapping[int, Statement] | None = None
    statements_ms: float = 0.0
    texts: Mapping[int, str] = field(default_factory=dict)
