"""Whether the connection pool is large enough: told by how many wait for each connection."""

from collections.abc import Iterator, Mapping
from typing import Any

from straingauge import Finding, Grade

QUEUE_WARNING = 10
QUEUE_CRITICAL = 20
"""Requests waiting on each connection.

By Little's law this is how much longer a request waits for a connection than it keeps one, on a
fast machine as on a slow one. A hundred at once on 10 + 10 connections: 4. On 5 + 0: 19. On 2: 49.
"""


def pool_findings(resources: Mapping[str, Any]) -> Iterator[Finding]:
    """What was seen of the pool at its peak, by a result's `resources`."""
    pool = resources["pool"]
    if pool is None:
        yield Finding("pool queue", "no_data", "the service's /metrics shows no connection pool")
        return
    connections, waiting = int(pool["peak_in_use"]), int(pool["peak_waiters"])
    queue = waiting / max(connections, 1)
    grade: Grade = "target" if queue < QUEUE_WARNING else "warning"
    yield Finding(
        "pool queue",
        "critical" if queue >= QUEUE_CRITICAL else grade,
        f"at the peak {waiting} requests waited for {connections} database connections, {queue:.0f}"
        f" on each; a wait took {pool['avg_wait_ms']:.1f} ms on average (DB_POOL_SIZE is"
        f" {pool['size']:.0f}, DB_MAX_OVERFLOW adds to it)",
        value=queue,
    )
