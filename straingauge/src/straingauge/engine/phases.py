"""The phase of each journey, by its intended start."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Final

from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.load import OutcomeSink
from straingauge.errors import UsageError
from straingauge.schedule import Ramp, RampingRate, RampingUsers, Schedule, Spike, Steps

# To detect a warm-up, a run is recorded in segments, each as long as all before it, the last one
# without an end: "main@0", "main@0.5", ... "main@64". `statistics.warmup` decides afterwards, on
# the merged record, which of them belong to the warm-up.
_SEGMENTS_S: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def sinks_by_start(
    sink: OutcomeSink, phase: str, start_ns: int, *, warmup_s: float, detect: bool
) -> Callable[[int], EndpointSinks]:
    """Return a function from a journey's intended start (`time.monotonic_ns`) to its sinks."""
    main = EndpointSinks(sink, phase, start_ns)
    if detect:
        segments = [EndpointSinks(sink, f"{phase}@{at_s:g}", start_ns) for at_s in _SEGMENTS_S]
        ends_ns = [start_ns + round(at_s * 1e9) for at_s in _SEGMENTS_S[1:]]
        return lambda at_ns: segments[bisect_right(ends_ns, at_ns)]
    if warmup_s:
        warm_ns, warmup = start_ns + round(warmup_s * 1e9), EndpointSinks(sink, "warmup", start_ns)
        return lambda at_ns: warmup if at_ns < warm_ns else main
    # Everything counts as main, also what a timer starts a moment before the start instant.
    return lambda _: main


def scenario_phase(phase: str, scenario: str) -> str:
    """Return the name of a scenario's part of a phase, such as "main#browse"."""
    return f"{phase}#{scenario}" if scenario else phase


def require_detectable(schedule: Schedule, warmup_s: float = 0.0) -> None:
    """Check that a warm-up could be distinguished from the load's own changes.

    Raises:
        UsageError: its length is given, or the load itself changes.
    """
    if warmup_s:
        raise UsageError("a warm-up is either given or detected, not both")
    if isinstance(schedule, Ramp | Steps | Spike | RampingRate | RampingUsers):
        kind = "stages" if hasattr(schedule, "stages") else f"a {type(schedule).__name__.lower()}"
        raise UsageError(
            f"no warm-up can be detected in {kind}: a service that "
            "gets slower or faster there may do so because of the load",
            hint="run a steady load before it as the warm-up",
        )
