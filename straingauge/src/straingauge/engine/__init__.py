"""Sends on time and stamps the times: the one place that does the I/O.

Each user's journey is driven straight from its connection's callbacks, with no task and no future
for each request: that is where Python's speed is. Three rules keep the stamps true:

- What is received is stamped before anything is done with it, for all connections that have
  something, and only then worked on (`inbox.Inbox`), a slice at a time.
- A request is written to its socket at the instant stamped, not when the loop comes round.
- What the generator itself adds is measured: late arrivals, loop lag, CPU.
"""

from straingauge.engine.load import (
    Connections,
    Delay,
    EndpointSink,
    EngineStats,
    Load,
    OutcomeSink,
    require_pool,
)
from straingauge.engine.run import run_load

__all__ = [
    "Connections",
    "Delay",
    "EndpointSink",
    "EngineStats",
    "Load",
    "OutcomeSink",
    "require_pool",
    "run_load",
]
