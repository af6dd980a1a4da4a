"""All stacks of a load, counted; bounded whatever the service does."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from straingauge.profile.own_code import Frame, OwnCode
from straingauge.profile.stacks import (
    Snapshot,
    Stack,
    is_background,
    is_delegated,
    waits_for_work,
)
from straingauge.result.format.profile import CodeLine, ProfileStall, StackState

MAX_STACKS: Final = 5_000
MAX_STALLS: Final = 10
STALL_LINES: Final = 3


class StackKey(NamedTuple):
    """A stack of a thread, or of a task, in a state."""

    process: int
    thread: str
    state: StackState
    frames: tuple[Frame, ...]


class LineKey(NamedTuple):
    """A line of the service's own code."""

    process: int
    thread: str
    state: StackState
    frame: Frame

    @property
    def in_function(self) -> "FunctionKey":
        """The function, whichever process and thread runs it."""
        return FunctionKey(self.state, self.frame.file, self.frame.function)


class FunctionKey(NamedTuple):
    """A function of the service's own code."""

    state: StackState
    file: str
    function: str


@dataclass(slots=True)
class CollectedStacks:
    """Counts of stacks and lines.

    Attributes:
        owners: Recognises the code of each process.
        stacks: Samples by stack; past `MAX_STACKS` only those that are known already.
        own, total: Samples by line, where it is the nearest of the service's own code, and where
            it is anywhere in the stack.
        lasting: Tasks by line that were in the same place at the snapshot before.
        instants: Snapshots by function, with a thread or task of a request in it as its nearest own
            code.
        idle: Threads and tasks by stack that were there before the load: they serve no request.
        stalls: Snapshots in which no request had been answered for a while.
        snapshots: Number of snapshots; those of several processes at one instant count once.
        tasks_visible: Whether any snapshot had tasks.
    """

    owners: Mapping[int, OwnCode]
    stacks: Counter[StackKey] = field(default_factory=Counter)
    own: Counter[LineKey] = field(default_factory=Counter)
    total: Counter[LineKey] = field(default_factory=Counter)
    lasting: Counter[LineKey] = field(default_factory=Counter)
    instants: Counter[FunctionKey] = field(default_factory=Counter)
    idle: Counter[StackKey] = field(default_factory=Counter)
    stalls: list[ProfileStall] = field(default_factory=list)
    snapshots: int = 0
    tasks_visible: bool = False

    def add_running(self, pid: int, stacks: Iterable[Stack]) -> None:
        """Add samples of what runs; not of threads that wait for work."""
        owner = self.owners[pid]
        for stack in stacks:
            if not waits_for_work(stack, owner):
                self._count(StackKey(pid, stack.thread, "running", stack.frames), stack.count)
                self._count_lines(owner, pid, "running", stack)

    def add_idle(self, snapshot: Snapshot) -> None:
        """Remember what waits in a process without load."""
        for key, stack in _waiting(snapshot):
            self.idle[key] = max(self.idle[key], stack.count)

    def add_snapshots(
        self, snapshots: Iterable[Snapshot], *, t_s: float, silent_ms: int | None
    ) -> None:
        """Add the snapshots of all processes at one instant.

        Args:
            snapshots: The snapshots.
            t_s: Time since the start of the load.
            silent_ms: How long no request had been answered, if that is a stall.
        """
        lines: dict[LineKey, int] = {}
        for each in snapshots:
            for key, count in self._add_snapshot(each).items():
                lines[key] = lines.get(key, 0) + count
        self.instants.update({key.in_function for key in lines})
        self.snapshots += 1
        if silent_ms is not None and lines and len(self.stalls) < MAX_STALLS:
            self.stalls.append(self._stall(lines, t_s, silent_ms))

    def _add_snapshot(self, snapshot: Snapshot) -> dict[LineKey, int]:
        """Count a snapshot; return the lines in which threads and tasks of requests are."""
        owner, pid = self.owners[snapshot.pid], snapshot.pid
        lines: Counter[LineKey] = Counter()
        busy = [(key.state, stack) for key, stack in self._without_idle(snapshot)]
        for state, stack in busy:
            if state == "thread" and not waits_for_work(stack, owner):
                self._count(StackKey(pid, stack.thread, "thread", stack.frames), stack.count)
                lines.update(self._count_lines(owner, pid, "thread", stack))
        tasks = [stack for state, stack in busy if state == "task"]
        self.tasks_visible |= snapshot.tasks is not None
        of_requests = [task for task in tasks if not is_background(task, owner)]
        for task in tasks:
            self._count(StackKey(pid, "", "task", task.frames), task.count)
        for task in of_requests or tasks:
            if not is_delegated(task):
                lines.update(self._count_lines(owner, pid, "task", task))
        return lines

    def _without_idle(self, snapshot: Snapshot) -> Iterable[tuple[StackKey, Stack]]:
        """Yield the stacks, less those that are there without load as well."""
        for key, stack in _waiting(snapshot):
            idle = self.idle[key]
            if stack.count > idle:
                lasting = max(stack.lasting - idle, 0)
                yield key, replace(stack, count=stack.count - idle, lasting=lasting)

    def _count(self, key: StackKey, count: int) -> None:
        if key in self.stacks or len(self.stacks) < MAX_STACKS:
            self.stacks[key] += count

    def _count_lines(
        self, owner: OwnCode, pid: int, state: StackState, stack: Stack
    ) -> dict[LineKey, int]:
        """Count the lines of a stack; return its nearest one."""
        nearest = owner.nearest(stack.frames)
        if nearest is None:
            return {}
        seen = {frame for frame in stack.frames if owner.owns(frame.file)}
        for frame in seen:
            key = LineKey(pid, stack.thread, state, frame)
            if key in self.total or len(self.total) < MAX_STACKS:
                self.total[key] += stack.count
        key = LineKey(pid, stack.thread, state, stack.frames[nearest])
        if key in self.total:
            self.own[key] += stack.count
            self.lasting[key] += stack.lasting
        return {key: stack.count}

    def _stall(self, lines: Mapping[LineKey, int], t_s: float, silent_ms: int) -> ProfileStall:
        ordered = sorted(lines, key=lambda key: -lines[key])
        threads = [self.shown(key) for key in ordered if key.state == "thread"]
        tasks = [self.shown(key) for key in ordered if key.state == "task"]
        return {
            "t_s": round(t_s, 3),
            "silent_ms": silent_ms,
            "lines": threads[:STALL_LINES],
            "tasks": tasks[:STALL_LINES],
        }

    def shown(self, key: LineKey) -> CodeLine:
        """Return a line with its shortened path."""
        file, line, function = key.frame
        return {"file": self.owners[key.process].shown(file), "line": line, "function": function}


def _waiting(snapshot: Snapshot) -> Iterator[tuple[StackKey, Stack]]:
    """Yield the different stacks of threads and tasks, each with its count."""
    counts: dict[StackKey, Stack] = {}
    states: Iterable[tuple[StackState, Iterable[Stack]]] = (
        ("thread", snapshot.threads),
        ("task", snapshot.tasks or ()),
    )
    for state, stacks in states:
        for stack in stacks:
            key = StackKey(snapshot.pid, stack.thread, state, stack.frames)
            known = counts.get(key, replace(stack, count=0, lasting=0))
            counts[key] = replace(
                known, count=known.count + stack.count, lasting=known.lasting + stack.lasting
            )
    yield from counts.items()
