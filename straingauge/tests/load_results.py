"""Real loads of one engine up to the judged result, without pytest or command line."""

import time
from typing import Any

from straingauge.engine import EngineStats, Load, run_load
from straingauge.recording import Recorder
from straingauge.result.assembly import compose, conclude
from straingauge.verdict import Thresholds
from straingauge.workers import MergedReports, Report, RunMetadata

# Met by whatever answers at all, so that nothing but a missing or invalid run fails.
DEMANDS = {"all": {"p95_ms": {"target": 60_000, "warning": 60_000, "critical": 60_000}}}


def judged(load: Load) -> dict[str, Any]:
    """The result of a load, with its validity and verdict."""
    recorder = Recorder()
    engine = run_load(load, recorder)
    return result_of_one_process("judged", recorder, engine, DEMANDS)


def result_of_one_process(
    name: str,
    recorder: Recorder,
    engine: EngineStats,
    demands: dict[str, Any],
    **metadata: Any,  # noqa: ANN401  of `RunMetadata`
) -> dict[str, Any]:
    """The result of what one process has recorded, judged by the tables of a threshold file."""
    record = recorder.snapshot()
    report = Report(
        process="main",
        at_ns=time.monotonic_ns(),
        requests=record.requests("main"),
        record=record.to_bytes(),
        engines={"main": engine},
    )
    empty: dict[str, Any] = {"configuration": {}, "environment": {}}
    described = RunMetadata(name=name, started_at="2026-01-01T00:00:00+00:00", **(empty | metadata))
    thresholds = Thresholds.parse(demands, source="load_results.py")
    result, _ = conclude(compose(MergedReports((report,), metadata=described)), thresholds)
    return {**result}


def reasons(result: dict[str, Any]) -> dict[str, str]:
    """The reasons of its validity, each with its severity."""
    return {each["reason"]: each["severity"] for each in result["validity"]["reasons"]}
