"""The workers of a run as their master knows them: who came when, told what, fell silent, left.

No I/O and no clock of its own, so each way a worker can fail is tested without one. Reports are
cumulative and numbered: the newest replaces what came before, an older one that comes late is left
aside, and one that never comes is made good by the next.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.verdict.validity import Reason
from straingauge.workers import LostProcess

SILENT_NS: Final = 4_000_000_000  # a heart that beats each second has missed three
HEARTBEAT_NS: Final = 1_000_000_000
LATE_NS: Final = 1_000_000_000  # what it may take to introduce oneself
CLOCK_ERROR_MS: Final = 50.0  # finer than that, nothing is compared between processes


@dataclass(slots=True)
class Worker:
    """One worker.

    Attributes:
        name: For people.
        came_ns: When it was first heard of.
        heard_ns: When it was last heard of.
        place: Which of the crowd's accounts are its own.
        message: Its last report (`straingauge.locust.distributed.process_stats`).
        users: How many users it had then.
        reported_ns: When that came.
        top_rate_per_s: The most samples a second it ever reported.
        finished_ns: When all its figures were here.
        silences: From when till when it was not heard of, and then was again.
    """

    name: str
    came_ns: int
    heard_ns: int
    place: int = 0
    message: Mapping[str, Any] | None = None
    users: int = 0
    reported_ns: int = 0
    top_rate_per_s: float = 0.0
    finished_ns: int | None = None
    silences: list[tuple[int, int]] = field(default_factory=list)


class WorkerRegistry:
    """The workers of the run under way, by Locust's own id.

    Attributes:
        began_ns: When the run began.
        ended_ns: When it was told to end; None while it is under way.
        of: How many places the crowd is shared out to.
    """

    def __init__(self) -> None:
        self.began_ns = 0
        self.ended_ns: int | None = None
        self.of = 1
        self._run = 0
        self._workers: dict[str, Worker] = {}
        self._refused: dict[str, str] = {}

    def come(self, worker: str, name: str, alive: Collection[str], now_ns: int) -> None:
        """A worker is here, and has the load test that its master has.

        It gets the place, and so the accounts, of one that is gone, or else a new one.
        """
        if worker not in self._workers:
            taken = {each.place for other, each in self._workers.items() if other in alive}
            place = next(place for place in range(len(taken) + 1) if place not in taken)
            self._workers[worker] = Worker(name, now_ns, now_ns, place)

    def refuse(self, name: str, why: str) -> bool:
        """A worker may not take part; gives whether that is news."""
        news = name not in self._refused
        self._refused[name] = why
        return news

    def begin(self, run: int, alive: Collection[str], at_least: int, now_ns: int) -> None:
        """A run begins, for the workers that are alive."""
        self._run, self.began_ns, self.ended_ns = run, now_ns, None
        there = {name: each for name, each in self._workers.items() if name in alive}
        self._workers = {
            worker: Worker(each.name, now_ns, each.heard_ns, place)
            for place, (worker, each) in enumerate(there.items())
        }
        self.of = max(at_least, len(there), 1)

    def end(self, now_ns: int) -> None:
        """The run is about to end: whoever finishes before, has left it."""
        self.ended_ns = now_ns

    @property
    def members(self) -> list[str]:
        """The workers of this run, by Locust's own id."""
        return list(self._workers)

    @property
    def under_way(self) -> bool:
        """Whether a run has begun that was not told to end."""
        return bool(self._run) and self.ended_ns is None

    def place(self, worker: str) -> int:
        """The place of a worker that came."""
        return self._workers[worker].place

    def hear(self, worker: str, now_ns: int) -> None:
        """A worker's heart has beaten."""
        if (known := self._workers.get(worker)) is None:
            return
        if now_ns - known.heard_ns > SILENT_NS:
            known.silences.append((known.heard_ns, now_ns))
        known.heard_ns = now_ns

    def report(self, worker: str, message: Mapping[str, Any], users: int, now_ns: int) -> bool:
        """Take a worker's figures, unless they are of another run, or older than those here."""
        known = self._workers.get(worker)
        if known is None or message["run"] != self._run:
            return False
        before = known.message
        if before is not None and message["sequence"] <= before["sequence"]:
            return False
        known.top_rate_per_s = max(known.top_rate_per_s, _rate_per_s(message, before))
        known.message, known.users, known.reported_ns = message, users, now_ns
        return True

    def finish(self, worker: str, message: Mapping[str, Any], now_ns: int) -> None:
        """A worker's users have stopped, and these are all its figures."""
        if self.report(worker, message, 0, now_ns):
            self._workers[worker].finished_ns = now_ns

    def awaited(self, alive: Collection[str]) -> set[str]:
        """The workers that are alive and have not handed in all they measured."""
        return {
            worker
            for worker, each in self._workers.items()
            if worker in alive and each.finished_ns is None
        }

    def parts(self) -> dict[str, Mapping[str, Any]]:
        """What the workers reported, by their names."""
        return {each.name: each.message for each in self._workers.values() if each.message}

    def lost(self, alive: Collection[str], now_ns: int) -> tuple[LostProcess, ...]:
        """The workers of this run that are gone, or whose last figures never came."""
        gone = {
            worker: each
            for worker, each in self._workers.items()
            if each.finished_ns is None and (self.ended_ns is not None or worker not in alive)
        }
        return tuple(
            LostProcess(
                each.name,
                "its last figures never came" if worker in alive else self._how_lost(each),
                self._at_most(each, now_ns),
            )
            for worker, each in gone.items()
        )

    def notes(self) -> list[Reason]:
        """What a reader of the figures must know of the workers."""
        said = [
            Reason(
                "refused_worker", "note", f"{name} took no part: {why}", "give all the same files"
            )
            for name, why in self._refused.items()
        ]
        for each in self._workers.values():
            said += self._notes(each)
        return said

    def as_dict(self) -> dict[str, Any]:
        """As the result file has it; times in seconds after the run's beginning."""
        return {
            each.name: {
                "connected_s": self._after_s(each.came_ns),
                "last_report_s": self._after_s(each.reported_ns) if each.message else None,
                "completed_s": self._after_s(each.finished_ns) if each.finished_ns else None,
                "silences_s": [[self._after_s(at) for at in silence] for silence in each.silences],
                "clock": each.message["clock"] if each.message else None,
            }
            for each in self._workers.values()
        }

    def _notes(self, each: Worker) -> list[Reason]:
        said = []
        if each.came_ns - self.began_ns > LATE_NS:
            said.append(
                f"{each.name} came {self._after_s(each.came_ns):.1f} s after the start; till then "
                "the others had its share, or nobody"
            )
        if each.finished_ns and self.ended_ns is not None and each.finished_ns < self.ended_ns:
            said.append(
                f"{each.name} left {self._after_s(each.finished_ns):.1f} s after the start, with "
                "all it had measured handed in"
            )
        said += [
            f"{each.name} was silent from {self._after_s(since):.1f} s after the start till "
            f"{self._after_s(till):.1f} s, and came back"
            for since, till in each.silences
        ]
        notes = [Reason("worker_came_and_went", "note", words) for words in said]
        clock = each.message["clock"] if each.message else None
        if each.message and (clock is None or clock["error_ms"] > CLOCK_ERROR_MS):
            error = f"by up to {clock['error_ms']:.0f} ms" if clock else "by what nobody knows"
            notes.append(
                Reason(
                    "clocks_apart",
                    "note",
                    f"the clock of {each.name} may be off {error}: over time, its figures stand "
                    "that much too early or too late beside the others' (latencies are right)",
                )
            )
        return notes

    def _how_lost(self, each: Worker) -> str:
        since = f"no heartbeat since {max(self._after_s(each.heard_ns), 0.0):.1f} s after the start"
        return since if each.message else f"{since}, before it first reported"

    def _at_most(self, each: Worker, now_ns: int) -> int:
        """What it may have measured since its last report.

        It went on for a heartbeat at most after it was last heard, at a rate that none of all
        workers ever exceeded, and each of its users may have had one more request under way.
        """
        last_ns = min(now_ns, each.heard_ns + HEARTBEAT_NS)
        since_s = max(last_ns - (each.reported_ns or each.came_ns), 0) / 1e9
        rate_per_s = max(worker.top_rate_per_s for worker in self._workers.values())
        return math.ceil(since_s * rate_per_s) + each.users

    def _after_s(self, at_ns: int) -> float:
        return round((at_ns - self.began_ns) / 1e9, 3)


def _rate_per_s(message: Mapping[str, Any], before: Mapping[str, Any] | None) -> float:
    requests = message["requests"] - (before["requests"] if before else 0)
    seconds = (message["at_ns"] - (before["at_ns"] if before else message["began_ns"])) / 1e9
    return requests / seconds if seconds > 0 else 0.0
