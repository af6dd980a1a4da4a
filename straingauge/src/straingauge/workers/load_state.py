"""State machine of one load shared by several processes, without I/O and threads.

The coordinator passes it what arrives and sends what it returns, so every way in which a process
can fail is tested without a process.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from straingauge.workers.messages import (
    Abort,
    Aborted,
    Barrier,
    EndLoad,
    Proceed,
    SetPace,
    Shard,
    Stage,
    ToWorker,
)
from straingauge.workers.reports import Ending, LostProcess, MergedReports, Report, RunMetadata
from straingauge.workers.shards import ShardProgress, assign_shards

if TYPE_CHECKING:
    from straingauge.engine import Pace

# Time for each process to receive the start instant and to set its engine up before it. An engine
# that is not set up by then is late from its first request on.
START_DELAY_NS = 500_000_000

Outbox = dict[str, ToWorker]
"""Messages to send, by process name."""


@dataclass(slots=True)
class LoadState:
    """State of one load.

    Attributes:
        test: The test's node id.
        cores: Number of processes that may be active at once on this machine.
        stage: The next stage that its processes meet at; None once it is finished.
        abort_reason: Why it does not go on; None while it does.
        abort_hint: What to do about that, if known.
        is_saved: The leader has saved the result.
        reporter: The process that reports the test: the leader, or the first to leave without one.
        metadata: Metadata of the run; None until the leader has sent it.
        start_ns: Start of the main phase (`time.monotonic_ns`); None before.
        load_end_ns: End of the main phase in all processes; None before.
        ending: Why the load ends before its schedule does; None if it does not.
        changes: What the user changed while it ran, in words.
    """

    test: str
    cores: int
    stage: Stage | None = "join"
    abort_reason: str | None = None
    abort_hint: str | None = None
    is_saved: bool = False
    reporter: str | None = None
    metadata: RunMetadata | None = None
    start_ns: int | None = None
    load_end_ns: int | None = None
    ending: Ending | None = None
    changes: tuple[str, ...] = ()
    _shares: dict[str, ShardProgress] = field(default_factory=dict)
    _lost: dict[str, LostProcess] = field(default_factory=dict)
    _lost_at_ns: dict[str, int] = field(default_factory=dict)
    _arrived: dict[str, Barrier] = field(default_factory=dict)
    _left: set[str] = field(default_factory=set)
    _idle: int = 0

    @property
    def is_running(self) -> bool:
        """True while the load is running, so that reports are due."""
        return self.stage in ("load_end", "finish") and self.abort_reason is None

    @property
    def leader(self) -> str | None:
        """The process that judges and reports; None before there is one."""
        return next(iter(self._shares), None)

    @property
    def active(self) -> list[str]:
        """The processes with a share that are not lost."""
        return [name for name in self._shares if name not in self._lost]

    @property
    def unfinished(self) -> list[str]:
        """The processes with a share that still send load, or report what they measured."""
        if self.stage is None:
            return []
        return [name for name in self.active if name not in self._left]

    @property
    def waiting(self) -> list[str]:
        """The processes that wait for others."""
        return list(self._arrived)

    def has_shard(self, name: str) -> bool:
        """Return whether a process has, or had, a share."""
        return name in self._shares

    def merged(self) -> MergedReports:
        """Return all reports so far, including those of lost processes."""
        reports = tuple(share.report for share in self._shares.values() if share.report is not None)
        lost = tuple(
            replace(lost, samples_estimate=self._lost_requests(name))
            for name, lost in self._lost.items()
        )
        return MergedReports(
            reports,
            lost,
            self._idle,
            self.metadata,
            self.abort_reason,
            self.start_ns,
            self.load_end_ns,
            self.ending,
            self.changes,
            self.abort_hint,
        )

    def arrive(self, name: str, barrier: Barrier, present: Collection[str], now_ns: int) -> Outbox:
        """Handle a process that has reached a stage."""
        if barrier.report is not None:
            self.report(name, barrier.report)
        if name in self._shares and barrier.stage in ("load_end", "cooldown_end", "finish"):
            self._shares[name].is_complete = True
        if self.abort_reason is not None:
            return {name: Aborted(self.abort_reason)}
        if self.stage != "join" and name not in self._shares:
            return {name: Shard(None, len(self._shares), self._idle)}
        self._arrived[name] = barrier
        return self.advance(present, now_ns)

    def report(self, name: str, report: Report) -> None:
        """Keep the report of a process with a share."""
        if name in self._shares:
            self._shares[name].update(report)

    def fail(self, name: str, error: str, hint: str | None) -> Outbox:
        """Abort the load: a process with a share cannot start."""
        if self.abort_reason is None:
            self.abort_hint = hint
        return self.abort(f"{name}: {error}")

    def leave(self, name: str, error: str | None, present: Collection[str], now_ns: int) -> Outbox:
        """Handle a process that has finished the test, early or at its end."""
        self._left.add(name)
        if self.reporter is None:
            self.reporter = self.leader or name
        if self.stage is None or self.abort_reason is not None:
            return {}
        if error is not None:
            return self._abort(f"{name}: {error}")
        if name in self._shares:
            return self._abort(f"{name} left the test during its load")
        return self.advance(present, now_ns)

    def lose(self, name: str, reason: str, present: Collection[str], now_ns: int) -> Outbox:
        """Handle a process that has disappeared."""
        self._arrived.pop(name, None)
        if self.stage is None or name in self._left:
            return {}
        share = self._shares.get(name)
        if self.abort_reason is not None and (share is None or share.is_complete):
            return {}
        if share is not None:
            self._lost[name], self._lost_at_ns[name] = LostProcess(name, reason, 0), now_ns
        if self.abort_reason is not None:
            return {}
        if share is not None and not self.is_running:
            return self._abort(f"process {name} was lost ({reason}) before the load began")
        if share is not None and name == self.leader:
            return self._abort(f"process {name}, which led this load, was lost ({reason})")
        return self.advance(present, now_ns)

    def _lost_requests(self, name: str) -> int:
        """Estimate the requests of a lost process that no report has.

        Shares are equal, so the highest rate of any process is possible for each. In the first
        seconds of a load it is known only from reports that come after the loss.
        """
        if self.start_ns is None:
            return 0
        rates = (each.highest_rate_per_s(self.start_ns) for each in self._shares.values())
        at_ns = self._lost_at_ns[name]
        return self._shares[name].lost_requests(self.start_ns, at_ns, max(rates))

    def abort(self, reason: str) -> Outbox:
        """End the load in all processes, unless it has ended."""
        return {} if self.stage is None or self.abort_reason is not None else self._abort(reason)

    def end(self, ending: Ending) -> Outbox:
        """End the load in all processes, which then judge it; only the first end counts."""
        if not self.is_running or self.load_end_ns is not None or self.ending is not None:
            return {}
        self.ending = ending
        return dict.fromkeys(set(self.active) - self._left, EndLoad())

    def set_pace(self, pace: "Pace", change: str) -> Outbox:
        """Change the running load in all processes."""
        if not self.is_running or self.load_end_ns is not None or self.ending is not None:
            return {}
        self.changes = (*self.changes, change)
        return dict.fromkeys(set(self.active) - self._left, SetPace(pace))

    def advance(self, present: Collection[str], now_ns: int) -> Outbox:
        """Let all processes go on once none is missing."""
        if self.stage == "join":
            missing = set(present) - set(self._arrived) - self._left
            return {} if missing or not self._arrived else self._assign_shards()
        if self.stage is None or set(self.active) - set(self._arrived):
            return {}
        is_cooldown_end = any(barrier.stage == "cooldown_end" for barrier in self._arrived.values())
        waiting, self._arrived = list(self._arrived), {}
        if self.stage == "finish" and is_cooldown_end:
            return {name: Proceed(now_ns) for name in waiting}
        if self.stage == "finish":
            self.stage = None
            return {
                name: self.merged() if name == self.leader else Proceed(now_ns) for name in waiting
            }
        if self.stage == "start":
            self.stage, self.start_ns = "load_end", now_ns + START_DELAY_NS
            return {name: Proceed(self.start_ns) for name in waiting}
        self.stage, self.load_end_ns = "finish", now_ns
        return {name: Proceed(now_ns) for name in waiting}

    def _assign_shards(self) -> Outbox:
        limit = min(self.cores, *(barrier.max_processes for barrier in self._arrived.values()))
        shards = assign_shards(self._arrived, limit)
        self._shares = {name: ShardProgress() for name in shards if shards[name].index is not None}
        self._idle = len(shards) - len(self._shares)
        self._arrived, self.stage = {}, "start"
        self.reporter = self.leader
        return dict(shards)

    def _abort(self, reason: str) -> Outbox:
        self.abort_reason = reason
        waiting, self._arrived = list(self._arrived), {}
        # Processes that send load stop as well: no load goes on uncounted.
        sending = set(self.active) - self._left - set(waiting)
        return {**dict.fromkeys(sending, Abort()), **dict.fromkeys(waiting, Aborted(reason))}
