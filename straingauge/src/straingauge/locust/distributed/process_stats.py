"""What one Locust process brings to a run, and how it travels from a worker to its master."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import gevent

from straingauge.engine import Delay, EngineStats
from straingauge.journey import User
from straingauge.locust.arrivals.schedule_lag import ScheduleLag
from straingauge.locust.loop_lag import LoopLagMonitor
from straingauge.locust.stats.recording import Recording
from straingauge.recording import Record
from straingauge.verdict import GRADES, Finding
from straingauge.workers import Report


class ProcessStats:
    """One process's figures since the run began: all of them, so a lost report loses nothing.

    Args:
        run: The run's number, by which a report of an earlier one is known.
        origin_ns: When the run began (`time.monotonic_ns`): second 0 of all that is recorded.
    """

    def __init__(self, run: int, origin_ns: int) -> None:
        self.run = run
        self.recording = Recording()
        self.recording.began_ns = origin_ns
        self.lateness = ScheduleLag()
        self._beat = LoopLagMonitor()
        self._began_ns = time.monotonic_ns()
        self._sequence = 0
        self._credentials: set[str] = set()
        self._findings: dict[str, Finding] = {}

    def stop(self) -> None:
        """The run is over; its figures stay."""
        self._beat.stop()

    def remember(self, user: User) -> None:
        """Keep a fingerprint of what a user authorizes itself with: how many accounts there are."""
        if token := user.headers.get("Authorization"):
            self._credentials.add(hashlib.sha256(token.encode()).hexdigest()[:16])

    def find(self, findings: Iterable[Finding]) -> None:
        """Keep what a task found out by itself; of one rule, the worst."""
        for finding in findings:
            known = self._findings.get(finding.rule)
            if known is None or GRADES.index(finding.grade) > GRADES.index(known.grade):
                self._findings[finding.rule] = finding

    def to_message(self) -> dict[str, Any]:
        """All of it, as Locust's messages can carry it; each has a higher number than the last.

        Packed series by series, between which users go on: all at once, they would stand still for
        26 ms of a run of ten minutes and ten endpoints.
        """
        self._sequence += 1
        record, at_ns = self.recording.snapshot(), time.monotonic_ns()
        engine = EngineStats(
            sent=self.recording.requests,
            journeys=0,
            dropped=self.lateness.dropped,
            waited=self.lateness.waited,
            connections=self.recording.connections,
            reconnected=self.recording.reconnected,
            abandoned=self.recording.abandoned,
            late_ms=self.lateness.late_ms,
            loop_lag_ms=self._beat.lag_ms,
            cpu_share=self._beat.cpu_share,
            duration_s=(at_ns - self._began_ns) / 1e9,
            interrupted=False,
        )
        return {
            "run": self.run,
            "sequence": self._sequence,
            "began_ns": self._began_ns,
            "at_ns": at_ns,
            "requests": record.requests("main"),
            "records": list(_packed(record)),
            "engine": asdict(engine),
            "credentials": sorted(self._credentials),
            "findings": [asdict(finding) for finding in self._findings.values()],
            "clock": None,
        }


def _packed(record: Record) -> Iterator[bytes]:
    """A record as several that make it up; at least one."""
    if not record.series:
        yield record.to_bytes()
    for key, series in list(record.series.items()):
        part = Record()
        part.series[key] = series
        yield part.to_bytes()
        gevent.sleep(0)


def reports_of(process: str, message: Mapping[str, Any]) -> list[Report]:
    """What a process's message says, as `straingauge.result` wants it: each with a part of it."""
    figures = dict(message["engine"])
    figures |= {name: Delay(**figures[name]) for name in ("late_ms", "loop_lag_ms")}
    extra = {
        "engines": {"main": EngineStats(**figures)},
        "watched": None,
        "credentials": set(message["credentials"]),
    }
    at_ns, requests = time.monotonic_ns(), message["requests"]
    return [Report(process, at_ns, requests, record, extra) for record in message["records"]]


def findings_of(message: Mapping[str, Any]) -> list[Finding]:
    """What the tasks of a process found out."""
    return [Finding(**finding) for finding in message["findings"]]
