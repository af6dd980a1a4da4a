"""Which phase a journey counts in, by its intended start."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from straingauge.engine.load import OutcomeSink
from straingauge.engine.run_context import Channels
from straingauge.errors import UsageError
from straingauge.schedule import Ramp, Schedule, Spike, Steps

# Where a warm-up is to be found, a run is kept in segments, each as long as all before it, the last
# one open: "main@0", "main@0.5", ... "main@64". `summary.warmup` decides afterwards, on the merged
# record, which of them were warm-up.
_SEGMENTS_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def channels_by_start(
    sink: OutcomeSink, phase: str, start_ns: int, *, warmup_s: float, detect: bool
) -> Callable[[int], Channels]:
    """What gives a journey its channels, by its intended start of `time.monotonic_ns`."""
    main = Channels(sink, phase, start_ns)
    if detect:
        segments = [Channels(sink, f"{phase}@{at_s:g}", start_ns) for at_s in _SEGMENTS_S]
        ends_ns = [start_ns + round(at_s * 1e9) for at_s in _SEGMENTS_S[1:]]
        return lambda at_ns: segments[bisect_right(ends_ns, at_ns)]
    if warmup_s:
        warm_ns, warmup = start_ns + round(warmup_s * 1e9), Channels(sink, "warmup", start_ns)
        return lambda at_ns: warmup if at_ns < warm_ns else main
    # All is main, also what a timer starts a moment before the start instant.
    return lambda _: main


def require_detectable(schedule: Schedule, warmup_s: float = 0.0) -> None:
    """Refuse to look for a warm-up where it could not be told from anything else.

    Raises:
        UsageError: its length is given already, or the load changes by itself.
    """
    if warmup_s:
        raise UsageError("a warm-up is either given or detected, not both")
    if isinstance(schedule, Ramp | Steps | Spike):
        raise UsageError(
            f"no warm-up can be detected in a {type(schedule).__name__.lower()}: a service that "
            "gets slower or quicker there may do so for the load's sake",
            hint="play a steady load before it as the warm-up",
        )
