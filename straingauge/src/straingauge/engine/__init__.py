"""The engine: sends requests on time and stamps the times, on asyncio.

Each user's journey is driven directly from its connection's callbacks, without a task or a future
for each request: that is what makes it fast. Three rules keep the stamps true:

- Everything received is stamped, for all connections that have something, before any of it is
  worked on, a slice at a time (`straingauge.http.receive_queue`).
- A request is written to its socket at the instant stamped, not in the loop's next round.
- The generator's own delays are measured: late starts, loop lag, CPU.

Response time counts from a request's intended start. So the engine is free of coordinated omission:
a slow response delays neither the schedule of what follows nor the instant it is measured from.
"""

from straingauge.engine.delay_histogram import Delay
from straingauge.engine.load import (
    Connections,
    EndpointSink,
    EngineStats,
    Load,
    OutcomeSink,
    require_pool,
)
from straingauge.engine.pace import Pace, PaceControl
from straingauge.engine.rlimit import require_open_files
from straingauge.engine.run import run_load
from straingauge.engine.scenario_load import ScenarioLoad

__all__ = [
    "Connections",
    "Delay",
    "EndpointSink",
    "EngineStats",
    "Load",
    "OutcomeSink",
    "Pace",
    "PaceControl",
    "ScenarioLoad",
    "require_open_files",
    "require_pool",
    "run_load",
]
