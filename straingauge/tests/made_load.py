"""A load of two processes on a made clock, for exports."""

from collections import Counter

from straingauge.exports import ExportStream, SecondCounter, exporters_for
from straingauge.http import ErrorKind, RequestFailed
from straingauge.observe import Observations
from straingauge.recording import Recorder
from straingauge.workers import Arrivals, MergedReports, Report, RunMetadata

METADATA = RunMetadata(
    name="load",
    started_at="2026-11-28T12:00:00+01:00",
    configuration={"target": "http://127.0.0.1:1"},
    duration_s=3.0,
)
START_NS = 5_000_000_000
MS = 1_000_000


class MadeLoad:
    """A load of two processes on a made clock."""

    def __init__(self) -> None:
        self.recorders = {name: Recorder() for name in ("p1", "p2")}
        self.counts = Counter[str]()
        self.observations: Observations | None = None

    def requests(self, process: str, endpoint: str, count: int, ms: int, status: int = 200) -> None:
        """Record requests of a status; others than 200 are errors, and 429 is rate limited."""
        sink = self.recorders[process].endpoint_sink("main", endpoint, START_NS)
        for number in range(count):
            begun_ns = START_NS + number
            times = (begun_ns, begun_ns, begun_ns + 1, begun_ns + ms * MS)
            if status == 200:
                sink.add(*times, status, None)
            else:
                limited = status == 429
                kind = ErrorKind.RATE_LIMITED if limited else ErrorKind.TIMEOUT
                sink.add_failure(*times, RequestFailed(kind, "made"))
        self.counts[process] += count

    def merged(self, at_s: float) -> MergedReports:
        """The reports of both processes at an instant after the start."""
        found = [
            Report(
                name,
                START_NS + round(at_s * 1e9),
                self.counts[name],
                recorder.snapshot().to_bytes(),
                observations=self.observations if name == "p1" else None,
                arrivals=Arrivals(self.counts[name], self.counts[name] + 1, 2),
            )
            for name, recorder in self.recorders.items()
        ]
        return MergedReports(tuple(found), metadata=METADATA, start_ns=START_NS)


def counter() -> SecondCounter:
    """A counter on a made clock."""
    return SecondCounter(now_s=lambda: 1_000.0, now_ns=lambda: START_NS)


def export_to(*names: str) -> MergedReports:
    """Export three seconds of a load to files and URLs; return the reports at its end."""
    load, said = MadeLoad(), list[str]()
    stream = ExportStream(exporters_for(names), said.append, counter)
    load.requests("p1", "GET /a", 10, 5)
    load.requests("p2", "GET /a", 20, 7)
    stream.watch("load", load.merged(1.0))
    stream.export()
    load.requests("p1", "GET /a", 3, 900)
    load.requests("p2", "POST /b", 4, 2, status=429)
    load.requests("p2", "POST /b", 5, 2, status=0)
    stream.watch("load", load.merged(2.0))
    stream.export()
    load.requests("p2", "GET /a, with a comma", 1, 1)
    last = load.merged(3.0)
    stream.finish("load", last)
    stream.close()
    assert said == []
    assert [each["seconds"] for each in stream.section()] == [3] * len(names)
    return last
