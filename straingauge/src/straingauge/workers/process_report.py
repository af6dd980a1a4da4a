"""The report of one process of a load on several machines, as it travels to the master."""

from collections.abc import Mapping
from typing import Any, TypedDict

from straingauge.result.format.resources import Clock


class ProcessReport(TypedDict):
    """Everything that a process has measured in a run so far; msgpack can write it.

    Attributes:
        run: Number of the run.
        sequence: Number of the report in its process; a later one replaces an earlier one.
        started_ns: Start of the run, an instant of the process's `time.monotonic_ns`.
        at_ns: End of what was measured, likewise.
        requests: Number of requests in the main phase.
        records: Serialized records (`recording.Record`), which are to be added up.
        engine: The fields of `EngineStats`.
        feeders: The fields of each `FeederUse`.
        credentials: Fingerprints of the users' credentials.
        findings: The fields of each `Finding` of a task.
        clock: Offset of the process's clock; None if it is unknown, or the master's.
    """

    run: int
    sequence: int
    started_ns: int
    at_ns: int
    requests: int
    records: list[bytes]
    engine: Mapping[str, Any]
    feeders: list[dict[str, Any]]
    credentials: list[str]
    findings: list[dict[str, Any]]
    clock: Clock | None
