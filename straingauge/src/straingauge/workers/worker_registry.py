"""The workers of a run as their master knows them: joined, reporting, silent, left or lost.

Does no I/O and reads no clock, so that each way a worker can fail is tested without one. Reports
are cumulative and numbered: the newest replaces the previous one, an older one that arrives late is
ignored, and one that never arrives is made up for by the next.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from straingauge.number_text import plain
from straingauge.result.format.reason import Reason
from straingauge.result.format.resources import LocustWorker
from straingauge.workers import LostProcess
from straingauge.workers.process_report import ProcessReport

SILENCE_NS: Final = 4_000_000_000  # three heartbeats missed, at one per second
HEARTBEAT_NS: Final = 1_000_000_000
LATE_NS: Final = 1_000_000_000  # what registering may take
MAX_CLOCK_ERROR_MS: Final = 50.0  # processes are compared at no finer resolution


@dataclass(slots=True)
class WorkerState:
    """One worker.

    Attributes:
        name: Name shown in the result and in messages.
        joined_ns: When it was first heard from.
        heard_ns: When it was last heard from.
        shard: Which share of the accounts it has.
        report: Its last report (`straingauge.locust.distributed.process_stats`).
        users: Number of its users at that time.
        reported_ns: When that report arrived.
        top_rate_per_s: Highest rate of samples that it ever reported.
        finished_ns: When its final report arrived.
        silences: Start and end of each time it was not heard from and then returned.
    """

    name: str
    joined_ns: int
    heard_ns: int
    shard: int = 0
    report: ProcessReport | None = None
    users: int = 0
    reported_ns: int = 0
    top_rate_per_s: float = 0.0
    finished_ns: int | None = None
    silences: list[tuple[int, int]] = field(default_factory=list)


class WorkerRegistry:
    """The workers of the current run, by Locust's own id.

    Attributes:
        started_ns: When the run started.
        ended_ns: When the workers were asked to stop; None while the run goes on.
        shard_count: Number of shares that the accounts are divided into.
    """

    def __init__(self) -> None:
        self.started_ns = 0
        self.ended_ns: int | None = None
        self.shard_count = 1
        self._run_id = 0
        self._workers: dict[str, WorkerState] = {}
        self._refused: dict[str, str] = {}

    def register(self, worker: str, name: str, alive: Collection[str], now_ns: int) -> None:
        """Add a worker that runs the same load test as its master.

        It takes over the shard, and so the accounts, of a worker that is gone, or gets a new one.
        """
        if worker not in self._workers:
            used = {state.shard for other, state in self._workers.items() if other in alive}
            shard = next(shard for shard in range(len(used) + 1) if shard not in used)
            self._workers[worker] = WorkerState(name, now_ns, now_ns, shard)

    def refuse(self, name: str, why: str) -> bool:
        """Record that a worker may not take part; False if it was refused before."""
        is_new = name not in self._refused
        self._refused[name] = why
        return is_new

    def start_run(self, run_id: int, alive: Collection[str], expected: int, now_ns: int) -> None:
        """Start a run with the workers that are alive; `expected` is the least number of shards."""
        self._run_id, self.started_ns, self.ended_ns = run_id, now_ns, None
        present = {worker: state for worker, state in self._workers.items() if worker in alive}
        self._workers = {
            worker: WorkerState(state.name, now_ns, state.heard_ns, shard)
            for shard, (worker, state) in enumerate(present.items())
        }
        self.shard_count = max(expected, len(present), 1)

    def end_run(self, now_ns: int) -> None:
        """Mark the end of the run: a worker that finished before then left early."""
        self.ended_ns = now_ns

    @property
    def worker_ids(self) -> list[str]:
        """The workers of this run, by Locust's own id."""
        return list(self._workers)

    @property
    def is_running(self) -> bool:
        """A run has started and was not asked to end."""
        return bool(self._run_id) and self.ended_ns is None

    def shard(self, worker: str) -> int:
        """Return the shard of a registered worker."""
        return self._workers[worker].shard

    def add_heartbeat(self, worker: str, now_ns: int) -> None:
        """Record that a worker was heard from."""
        if (state := self._workers.get(worker)) is None:
            return
        if now_ns - state.heard_ns > SILENCE_NS:
            state.silences.append((state.heard_ns, now_ns))
        state.heard_ns = now_ns

    def add_report(self, worker: str, report: ProcessReport, users: int, now_ns: int) -> bool:
        """Keep a worker's report; False if it is of another run or older than the last one."""
        state = self._workers.get(worker)
        if state is None or report["run"] != self._run_id:
            return False
        previous = state.report
        if previous is not None and report["sequence"] <= previous["sequence"]:
            return False
        state.top_rate_per_s = max(state.top_rate_per_s, _rate_per_s(report, previous))
        state.report, state.users, state.reported_ns = report, users, now_ns
        return True

    def add_final_report(self, worker: str, report: ProcessReport, now_ns: int) -> None:
        """Keep the complete report of a worker whose users have stopped."""
        if self.add_report(worker, report, 0, now_ns):
            self._workers[worker].finished_ns = now_ns

    def pending(self, alive: Collection[str]) -> set[str]:
        """Return the workers that are alive and have not sent their final report."""
        return {
            worker
            for worker, state in self._workers.items()
            if worker in alive and state.finished_ns is None
        }

    def reports(self) -> dict[str, ProcessReport]:
        """Return the last report of each worker, by name."""
        return {state.name: state.report for state in self._workers.values() if state.report}

    def lost(self, alive: Collection[str], now_ns: int) -> tuple[LostProcess, ...]:
        """Return the workers of this run that are gone, or whose final report is missing."""
        lost = {
            worker: state
            for worker, state in self._workers.items()
            if state.finished_ns is None and (self.ended_ns is not None or worker not in alive)
        }
        return tuple(
            LostProcess(
                state.name,
                "its final report never arrived" if worker in alive else self._last_sign(state),
                self._max_samples_lost(state, now_ns),
            )
            for worker, state in lost.items()
        )

    def notes(self) -> list[Reason]:
        """Return what a reader of the result has to know about the workers."""
        notes = [
            Reason(
                "refused_worker",
                "note",
                f"{name} was refused: {why}",
                "give all machines the same files",
            )
            for name, why in self._refused.items()
        ]
        for state in self._workers.values():
            notes += self._notes(state)
        return notes

    def as_dict(self) -> dict[str, LocustWorker]:
        """Return the fields of the result file; times in seconds after the start of the run."""
        return {
            state.name: {
                "connected_s": self._after_s(state.joined_ns),
                "last_report_s": self._after_s(state.reported_ns) if state.report else None,
                "completed_s": self._after_s(state.finished_ns) if state.finished_ns else None,
                "silences_s": [[self._after_s(at) for at in each] for each in state.silences],
                "clock": state.report["clock"] if state.report else None,
            }
            for state in self._workers.values()
        }

    def _notes(self, state: WorkerState) -> list[Reason]:
        messages = []
        if state.joined_ns - self.started_ns > LATE_NS:
            messages.append(
                f"{state.name} joined {plain(self._after_s(state.joined_ns), 3)} s after the"
                " start; "
                "before that, its share of the load was sent by the others or not at all"
            )
        if state.finished_ns and self.ended_ns is not None and state.finished_ns < self.ended_ns:
            messages.append(
                f"{state.name} left {plain(self._after_s(state.finished_ns), 3)} s after the"
                " start, "
                "after its final report"
            )
        messages += [
            f"{state.name} was silent from {plain(self._after_s(start), 3)} s to "
            f"{plain(self._after_s(end), 3)} s after the start"
            for start, end in state.silences
        ]
        notes = [Reason("worker_joined_or_left", "note", message) for message in messages]
        clock = state.report["clock"] if state.report else None
        if state.report and (clock is None or clock["error_ms"] > MAX_CLOCK_ERROR_MS):
            error = f"up to {clock['error_ms']:,.0f} ms" if clock else "an unknown amount"
            notes.append(
                Reason(
                    "clock_uncertain",
                    "note",
                    f"the clock of {state.name} may be off by {error}: its points in charts over "
                    "time may be shifted by that much (response times are not affected)",
                )
            )
        return notes

    def _last_sign(self, state: WorkerState) -> str:
        since_s = max(self._after_s(state.heard_ns), 0.0)
        message = f"no heartbeat since {plain(since_s, 3)} s after the start"
        return message if state.report else f"{message}, before its first report"

    def _max_samples_lost(self, state: WorkerState, now_ns: int) -> int:
        """Bound what a worker measured after its last report.

        It went on for at most one heartbeat after it was last heard from, at no more than the
        highest rate of any worker, and each of its users had at most one more request in flight.
        """
        last_ns = min(now_ns, state.heard_ns + HEARTBEAT_NS)
        since_s = max(last_ns - (state.reported_ns or state.joined_ns), 0) / 1e9
        rate_per_s = max(worker.top_rate_per_s for worker in self._workers.values())
        return math.ceil(since_s * rate_per_s) + state.users

    def _after_s(self, at_ns: int) -> float:
        return round((at_ns - self.started_ns) / 1e9, 3)


def _rate_per_s(report: ProcessReport, previous: ProcessReport | None) -> float:
    requests = report["requests"] - (previous["requests"] if previous else 0)
    since_ns = previous["at_ns"] if previous else report["started_ns"]
    seconds = (report["at_ns"] - since_ns) / 1e9
    return requests / seconds if seconds > 0 else 0.0
