"""The end of a load before its schedule's: by whom, when, and what was cut off."""

from collections.abc import Mapping

from straingauge.engine import EngineStats
from straingauge.number_text import count, plain
from straingauge.result.format.result import EndedEarly
from straingauge.workers import Ending, MergedReports


def ended_early(
    merged: MergedReports, ending: Ending, engines: Mapping[str, EngineStats]
) -> EndedEarly:
    """Return the section of a result.

    Args:
        merged: The reports of all processes.
        ending: The end.
        engines: The engine statistics of each process.
    """
    return {
        "by": ending.by,
        "message": ending.message,
        "rule": ending.rule,
        "endpoint": ending.endpoint,
        "at_s": round(ending.at_s, 3),
        "planned_s": merged.metadata.duration_s if merged.metadata else None,
        "requests_cut": sum(engine.abandoned for engine in engines.values()),
    }


def describe(section: EndedEarly) -> str:
    """Describe an end in one sentence, with what was cut off."""
    at_s, planned_s = section["at_s"], section["planned_s"]
    what = "stopped" if section["by"] == "user" else "aborted"
    left_s = 0 if planned_s is None else max(planned_s - at_s, 0)
    cut = [] if planned_s is None else [f"the last {plain(left_s, 3)} s of the load"]
    if section["requests_cut"]:
        cut.append(f"{count(section['requests_cut'], 'request')} in flight")
    of = "" if planned_s is None else f" of {planned_s:g} s"
    without = f"; cut off: {' and '.join(cut)}" if cut else ""
    return f"{what} after {plain(at_s, 3)} s{of}: {section['message']}{without}"
