"""The profile as the result file has it: the heaviest lines and stacks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from straingauge.profile.collected_stacks import CollectedStacks, LineKey, StackKey
from straingauge.profile.own_code import Frame, is_loop
from straingauge.result.format.profile import (
    Profile,
    ProfileFrame,
    ProfileLine,
    ProfileProcess,
    ProfileStack,
    StackState,
)

MAX_LINES: Final = 50  # of each state
MAX_STACKS: Final = 100  # of each state: a flame graph shows hardly more
MAX_NOTES: Final = 10


def summarize(
    collected: CollectedStacks,
    *,
    names: Mapping[int, str],
    rate_hz: int,
    duration_s: float,
    cpu_s: float,
    load_s: float,
    notes: Iterable[str] = (),
) -> Profile:
    """Return a bounded summary.

    Args:
        collected: All stacks.
        names: Names of the processes.
        rate_hz: Samples of running code per second.
        duration_s: How long they were taken.
        cpu_s: CPU time of profiling.
        load_s: Duration of the load in which it was used.
        notes: What could not be profiled.
    """
    states: Sequence[StackState] = get_args(StackState)
    stacks = [each for state in states for each in _stacks(collected, state)]
    numbers: dict[tuple[int, Frame], int] = {}
    for key, _ in stacks:
        for frame in key.frames:
            numbers.setdefault((key.process, frame), len(numbers))
    running = {key: n for key, n in collected.stacks.items() if key.state == "running"}
    return {
        "rate_hz": rate_hz,
        "duration_s": round(duration_s, 3),
        "running_samples": sum(running.values()),
        "processes": [_process(pid, name, running) for pid, name in names.items()],
        "lines": [each for state in states for each in _lines(collected, state)],
        "frames": [_frame(collected, pid, frame) for pid, frame in numbers],
        "stacks": [_stack(key, samples, numbers) for key, samples in stacks],
        "snapshots": {"count": collected.snapshots, "tasks_visible": collected.tasks_visible},
        "stalls": collected.stalls,
        "cost": {"cpu_percent": round(100 * cpu_s / load_s, 2) if load_s else 0.0},
        "notes": list(dict.fromkeys(notes))[:MAX_NOTES],
    }


def _process(pid: int, name: str, running: Mapping[StackKey, int]) -> ProfileProcess:
    threads: dict[str, int] = {}
    loops: set[str] = set()
    for key, samples in running.items():
        if key.process == pid:
            threads[key.thread] = threads.get(key.thread, 0) + samples
            if any(map(is_loop, key.frames)):
                loops.add(key.thread)
    heaviest = sorted(threads, key=lambda thread: -threads[thread])[:MAX_LINES]
    return {
        "pid": pid,
        "name": name,
        "threads": [
            {"name": each, "running_samples": threads[each], "runs_loop": each in loops}
            for each in heaviest
        ],
    }


def _lines(collected: CollectedStacks, state: StackState) -> list[ProfileLine]:
    keys = [key for key in collected.total if key.state == state]
    keys.sort(key=lambda key: (-collected.own[key], -collected.total[key], key.frame))
    return [_line(collected, key) for key in keys[:MAX_LINES]]


def _line(collected: CollectedStacks, key: LineKey) -> ProfileLine:
    return {
        "process": key.process,
        "thread": key.thread,
        "state": key.state,
        **collected.shown(key),
        "own_samples": collected.own[key],
        "total_samples": collected.total[key],
        "lasting_samples": collected.lasting[key],
        "snapshots": collected.instants[key.in_function],
    }


def _stacks(collected: CollectedStacks, state: StackState) -> list[tuple[StackKey, int]]:
    found = [(key, n) for key, n in collected.stacks.items() if key.state == state]
    return sorted(found, key=lambda each: -each[1])[:MAX_STACKS]


def _frame(collected: CollectedStacks, pid: int, frame: Frame) -> ProfileFrame:
    owner = collected.owners[pid]
    return {
        "file": owner.shown(frame.file),
        "line": frame.line,
        "function": frame.function,
        "own": owner.owns(frame.file),
    }


def _stack(key: StackKey, samples: int, numbers: Mapping[tuple[int, Frame], int]) -> ProfileStack:
    return {
        "process": key.process,
        "thread": key.thread,
        "state": key.state,
        "frames": [numbers[key.process, frame] for frame in key.frames],
        "samples": samples,
    }
