"""Delays of the requests of a replay from the times of its log."""

from collections.abc import Mapping

from straingauge.engine import EngineStats
from straingauge.engine.delay_histogram import Delay
from straingauge.histogram import Histogram
from straingauge.result.format.resources import LogDeviation


def log_deviation(engines: Mapping[str, EngineStats]) -> LogDeviation | None:
    """Return the deviation over all processes in milliseconds; None if nothing was replayed."""
    found = [each.deviation for each in engines.values() if each.deviation is not None]
    if not found:
        return None
    whole = Histogram()
    for each in found:
        whole.merge(each)
    delay = Delay.of(whole)
    return {"p50": round(delay.p50, 3), "p99": round(delay.p99, 3), "max": round(delay.max, 3)}
