"""One load test at the rendezvous: who has come, who is missing, what next. No I/O, no threads.

The rendezvous feeds it what arrives and sends what it answers, so every way a process can fail is
tested without a process.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from straingauge.workers.messages import (
    Abort,
    Aborted,
    Barrier,
    LostProcess,
    MergedReports,
    Proceed,
    Report,
    Shard,
    Stage,
    ToWorker,
)

# Time for every process to hear of the start and to set its engine up before it comes: what an
# engine has not set up by then is late from its first request on.
START_DELAY_NS = 500_000_000

Outbox = dict[str, ToWorker]
"""Process name -> what to send it."""


@dataclass(slots=True)
class _WorkerShare:
    """What is known of one process that takes part."""

    report: Report | None = None
    top_rate_per_s: float = 0.0
    complete: bool = False  # it plays no more, and its report has all it measured

    def take(self, report: Report) -> None:
        before = self.report
        if before is not None and report.at_ns > before.at_ns:
            seconds = (report.at_ns - before.at_ns) / 1e9
            self.top_rate_per_s = max(
                self.top_rate_per_s, (report.requests - before.requests) / seconds
            )
        self.report = report


@dataclass(slots=True)
class LoadState:
    """The course of one load test.

    Attributes:
        test: Its node id.
        cores: Processes that may be active at once on this machine.
        stage: What its processes are meeting for.
        broken: Why it will not go on; None while it does.
        judged: Whether the leader sees to the result.
        reporter: Who reports the test: the leader, or the first to leave when there is none.
    """

    test: str
    cores: int
    stage: Stage | None = "join"
    broken: str | None = None
    judged: bool = False
    reporter: str | None = None
    plan: dict[str, Any] | None = None
    start_ns: int | None = None
    _seats: dict[str, _WorkerShare] = field(default_factory=dict)
    _lost: dict[str, LostProcess] = field(default_factory=dict)
    _arrived: dict[str, Barrier] = field(default_factory=dict)
    _left: set[str] = field(default_factory=set)
    _idle: int = 0

    @property
    def playing(self) -> bool:
        """Whether load is under way, so that reports are due."""
        return self.stage in ("played", "end") and self.broken is None

    @property
    def leader(self) -> str | None:
        """The process that judges and reports."""
        return next(iter(self._seats), None)

    @property
    def active(self) -> list[str]:
        """The processes with a share that are still there."""
        return [name for name in self._seats if name not in self._lost]

    @property
    def waiting(self) -> list[str]:
        """The processes that have come and wait for others."""
        return list(self._arrived)

    def seats(self, name: str) -> bool:
        """Whether `name` has (had) a share."""
        return name in self._seats

    def merged(self) -> MergedReports:
        """What is known so far, of those that were lost too."""
        reports = tuple(share.report for share in self._seats.values() if share.report is not None)
        lost = tuple(self._lost.values())
        return MergedReports(
            reports,
            lost,
            self._idle,
            self.plan,
            self.broken,
            self.start_ns,
            over=self.stage in ("end", None),
        )

    def meet(self, name: str, meet: Barrier, present: Collection[str], now_ns: int) -> Outbox:
        """A process has come to a stage."""
        if meet.report is not None:
            self.report(name, meet.report)
        if name in self._seats and meet.stage in ("played", "rested", "end"):
            self._seats[name].complete = True
        if self.broken is not None:
            return {name: Aborted(self.broken)}
        if self.stage != "join" and name not in self._seats:
            return {name: Shard(None, len(self._seats), self._idle)}
        self._arrived[name] = meet
        return self.advance(present, now_ns)

    def report(self, name: str, report: Report) -> None:
        """A process has measured more."""
        if name in self._seats:
            self._seats[name].take(report)

    def fail(self, name: str, error: str) -> Outbox:
        """A process with a share cannot begin."""
        return (
            {} if self.stage is None or self.broken is not None else self._break(f"{name}: {error}")
        )

    def leave(self, name: str, error: str | None, present: Collection[str], now_ns: int) -> Outbox:
        """A process is done with the test, early or in the end."""
        self._left.add(name)
        if self.reporter is None:
            self.reporter = self.leader or name
        if self.stage is None or self.broken is not None:
            return {}
        if error is not None:
            return self._break(f"{name}: {error}")
        if name in self._seats:
            return self._break(f"{name} left the test in the middle of its load")
        return self.advance(present, now_ns)

    def lose(self, name: str, reason: str, present: Collection[str], now_ns: int) -> Outbox:
        """A process has gone for good."""
        self._arrived.pop(name, None)
        if self.stage is None or name in self._left:
            return {}
        share = self._seats.get(name)
        if self.broken is not None and (share is None or share.complete):
            return {}
        if share is not None:
            self._lost[name] = LostProcess(name, reason, _lost_samples(share, now_ns))
        if self.broken is not None:
            return {}
        if share is not None and not self.playing:
            return self._break(f"process {name} was lost ({reason}) before the load began")
        if share is not None and name == self.leader:
            return self._break(f"process {name}, which led this load, was lost ({reason})")
        return self.advance(present, now_ns)

    def cancel(self, reason: str) -> Outbox:
        """Nobody shall go on with this test."""
        return {} if self.stage is None or self.broken is not None else self._break(reason)

    def advance(self, present: Collection[str], now_ns: int) -> Outbox:
        """Let everybody go on when nobody is missing any more."""
        if self.stage == "join":
            missing = set(present) - set(self._arrived) - self._left
            return {} if missing or not self._arrived else self._seat()
        if self.stage is None or set(self.active) - set(self._arrived):
            return {}
        rested = any(meet.stage == "rested" for meet in self._arrived.values())
        waiting, self._arrived = list(self._arrived), {}
        if self.stage == "end" and rested:  # on the way there
            return {name: Proceed(now_ns) for name in waiting}
        if self.stage == "end":
            self.stage = None
            return {
                name: self.merged() if name == self.leader else Proceed(now_ns) for name in waiting
            }
        if self.stage == "ready":
            self.stage, self.start_ns = "played", now_ns + START_DELAY_NS
            return {name: Proceed(self.start_ns) for name in waiting}
        self.stage = "end"
        return {name: Proceed(now_ns) for name in waiting}

    def _seat(self) -> Outbox:
        waiting = sorted(self._arrived, key=worker_number)
        most = min(self.cores, *(meet.at_most for meet in self._arrived.values()))
        chosen = waiting[: max(most, 1)]
        self._seats = {name: _WorkerShare() for name in chosen}
        self._idle = len(waiting) - len(chosen)
        self._arrived, self.stage = {}, "ready"
        self.reporter = self.leader
        return {
            name: Shard(index if name in self._seats else None, len(chosen), self._idle)
            for index, name in enumerate(waiting)
        }

    def _break(self, reason: str) -> Outbox:
        self.broken = reason
        waiting, self._arrived = list(self._arrived), {}
        # Those in the middle of playing hear of it too: no load goes on that nobody counts.
        playing = set(self.active) - self._left - set(waiting)
        return {**dict.fromkeys(playing, Abort()), **dict.fromkeys(waiting, Aborted(reason))}


def worker_number(name: str) -> tuple[int, str]:
    """Sort key: gw2 before gw10."""
    digits = "".join(filter(str.isdigit, name))
    return (int(digits) if digits else 0, name)


def _lost_samples(share: _WorkerShare, now_ns: int) -> int:
    """What a process may have measured since its last report, at the highest rate it ever had."""
    if share.report is None or share.complete:
        return 0
    return math.ceil(share.top_rate_per_s * (now_ns - share.report.at_ns) / 1e9)
