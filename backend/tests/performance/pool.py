"""Evaluation of the connection pool by the number of requests waiting per connection."""

from collections.abc import Iterator, Mapping
from typing import Any

from straingauge import Finding, Grade

QUEUE_WARNING = 10
QUEUE_CRITICAL = 20
"""Waiting requests per connection.

By Little's law this is the time a request waits for a connection, divided by the time it uses one,
independent of the speed of the machine. 100 concurrent requests on 10 + 10 connections: 4. On
5 + 0: 19. On 2: 49.
"""


def pool_findings(resources: Mapping[str, Any]) -> Iterator[Finding]:
    """Evaluate the pool at its peak, from the `resources` of a result."""
    pool = resources["pool"]
    if pool is None:
        yield Finding("pool queue", "no_data", "the service exports no pool metrics at /metrics")
        return
    connections, waiting = int(pool["peak_in_use"]), int(pool["peak_waiters"])
    queue = waiting / max(connections, 1)
    grade: Grade = "target" if queue < QUEUE_WARNING else "warning"
    yield Finding(
        "pool queue",
        "critical" if queue >= QUEUE_CRITICAL else grade,
        f"{waiting} requests waited for {connections} database connections at the peak,"
        f" {queue:.0f} per connection; average wait {pool['avg_wait_ms']:.1f} ms"
        f" (DB_POOL_SIZE is {pool['size']:.0f}, plus DB_MAX_OVERFLOW)",
        value=queue,
    )
