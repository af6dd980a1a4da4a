"""Measurements of one Locust process in a run, and the message with them to the master."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

import gevent

from straingauge.engine import Delay, EngineStats
from straingauge.engine.schedule_lag import ScheduleLag
from straingauge.feeders import FeederUse, feeder_uses
from straingauge.http.traceparent import TraceIds
from straingauge.journey import User, account_fingerprint
from straingauge.locust.loop_lag import LoopLagMonitor
from straingauge.locust.stats.recording import Recording
from straingauge.recording import Record
from straingauge.verdict import GRADES, Finding
from straingauge.workers import Report
from straingauge.workers.process_report import ProcessReport


class ProcessStats:
    """Measurements of one process since the start of a run.

    Messages are cumulative: a lost one is made up for by the next.

    Args:
        run_id: Identifies the run, so that a report of an earlier one is recognised.
        origin_ns: Start of the run (`time.monotonic_ns`): second 0 of everything recorded.
        traceparent: Send the header `traceparent` with each request.

    Attributes:
        recording: Requests by endpoint.
        schedule_lag: How well due times were kept.
    """

    def __init__(self, run_id: int, origin_ns: int, *, traceparent: bool = True) -> None:
        self.run_id = run_id
        self.recording = Recording(origin_ns, TraceIds() if traceparent else None)
        self.schedule_lag = ScheduleLag()
        self._loop_lag = LoopLagMonitor()
        self._started_ns = time.monotonic_ns()
        self._sequence = 0
        self._credentials: set[str] = set()
        self._findings: dict[str, Finding] = {}

    def stop(self) -> None:
        """Stop measuring; what was measured stays."""
        self._loop_lag.stop()

    def reset(self) -> None:
        """Discard the measured requests so far; accounts and findings stay."""
        self.recording = Recording(self.recording.started_ns, self.recording.trace_ids)
        self.schedule_lag = ScheduleLag()
        self._started_ns = time.monotonic_ns()

    def add_credentials(self, user: User) -> None:
        """Keep a fingerprint of a user's credentials, to count the accounts in use."""
        if fingerprint := account_fingerprint(user):
            self._credentials.add(fingerprint)

    def add_findings(self, findings: Iterable[Finding]) -> None:
        """Keep the findings of a task; of each rule, the worst."""
        for finding in findings:
            known = self._findings.get(finding.rule)
            if known is None or GRADES.index(finding.grade) > GRADES.index(known.grade):
                self._findings[finding.rule] = finding

    def to_message(self) -> ProcessReport:
        """Return everything measured so far as a message for the master, with the next number.

        Packed one series at a time, with a turn for other greenlets in between: packing all of a
        run of ten minutes and ten endpoints at once would stop the users for 26 ms.
        """
        self._sequence += 1
        record, at_ns = self.recording.snapshot(), time.monotonic_ns()
        engine = EngineStats(
            sent=self.recording.requests,
            journeys=0,
            dropped=self.schedule_lag.dropped,
            waited=self.schedule_lag.waited,
            connections=self.recording.connections,
            reconnected=self.recording.reconnected,
            closed_idle=self.recording.closed_idle,
            http2_connections=self.recording.http2_connections,
            http1_instead=self.recording.http1_instead,
            abandoned=self.recording.abandoned,
            start_delay_ms=self.schedule_lag.start_delay_ms,
            loop_lag_ms=self._loop_lag.lag_ms,
            cpu_share=self._loop_lag.cpu_share,
            duration_s=(at_ns - self._started_ns) / 1e9,
            interrupted=False,
        )
        return {
            "run": self.run_id,
            "sequence": self._sequence,
            "started_ns": self._started_ns,
            "at_ns": at_ns,
            "requests": record.requests("main"),
            "records": list(pack_record(record)),
            "engine": asdict(engine),
            "feeders": [asdict(use) for use in feeder_uses()],
            "credentials": sorted(self._credentials),
            "findings": [asdict(finding) for finding in self._findings.values()],
            "clock": None,
        }


def pack_record(record: Record) -> Iterator[bytes]:
    """Serialize a record as one or more that add up to it, one for each series."""
    if not record.series and not record.transactions:
        yield record.to_bytes()
    if record.transactions:
        ended = Record()
        ended.transactions = record.transactions
        yield ended.to_bytes()
    for key, series in list(record.series.items()):
        part = Record()
        part.series[key] = series
        yield part.to_bytes()
        gevent.sleep(0)


def reports_from_message(process: str, message: ProcessReport) -> list[Report]:
    """Return a process's message as the reports that `straingauge.result` merges."""
    stats = dict(message["engine"])
    stats |= {
        name: Delay(**stats[name]) for name in ("start_delay_ms", "loop_lag_ms", "thread_queue_ms")
    }
    engines = {"main": EngineStats(**stats)}
    credentials = frozenset(message["credentials"])
    at_ns, requests = time.monotonic_ns(), message["requests"]
    reports = [
        Report(process, at_ns, requests, record, engines, credentials=credentials)
        for record in message["records"]
    ]
    uses = tuple(FeederUse(**use) for use in message["feeders"])
    return [replace(reports[0], feeders=uses), *reports[1:]]  # the reports are added up


def findings_from_message(message: ProcessReport) -> list[Finding]:
    """Return the findings of a process's tasks."""
    return [Finding(**finding) for finding in message["findings"]]
