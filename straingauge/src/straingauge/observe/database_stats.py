"""Observations of a database, as a report carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from straingauge.observe.postgres_activity import Blocked, IdleTransaction, Wait
from straingauge.observe.postgres_counters import Counters, Statement


@dataclass(frozen=True, slots=True)
class DatabaseStats:
    """Observations of a database so far.

    Attributes:
        unavailable: What could not be observed, and what would help.
        reached: A connection was made.
        behind_pooler: It led through a connection pooler, such as PgBouncer.
        max_connections: The server's limit.
        active: Active connections, summed over all samples.
        waits: Their wait events, as "type:event".
        blocked: Examples of lock waits.
        idle_transactions: Transactions that stay idle, by their last statement.
        before: Counters at the start of the load, without statements.
        after: Counters at its end, likewise; both are None until then.
        statements: The statements that took most time between the two, by query id.
        statements_ms: The time of all statements between the two.
        texts: The texts of `statements`, by query id.
    """

    unavailable: tuple[str, ...] = ()
    reached: bool = False
    behind_pooler: bool = False
    max_connections: int | None = None
    active: float = 0.0
    waits: Mapping[str, Wait] = field(default_factory=dict)
    blocked: tuple[Blocked, ...] = ()
    idle_transactions: tuple[IdleTransaction, ...] = ()
    before: Counters | None = None
    after: Counters | None = None
    statements: Mapping[int, Statement] | None = None
    statements_ms: float = 0.0
    texts: Mapping[int, str] = field(default_factory=dict)
