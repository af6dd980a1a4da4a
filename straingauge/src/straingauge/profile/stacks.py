"""Stacks of threads and tasks, and which of them only wait for work."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from straingauge.json_text import parse_json
from straingauge.profile.own_code import Frame, OwnCode, is_loop

_RAW_FRAME: Final = re.compile(r"(.+?) \((.*?)(?::(\d+))?\)$")
_RAW_THREAD: Final = re.compile(r"thread \((0x)?([0-9a-fA-F]+)\)(?:: (.*))?$")
_NUMBERED: Final = re.compile(r"(?:[-_ ]\d+)+(?=$| \()")

# Where an event loop or a server waits for something to do.
_SELECT_FILES: Final = ("selectors.py", "select.py")
# Where a thread of a pool waits for work.
_WAIT_FILES: Final = ("threading.py", "queue.py", "concurrent/futures/thread.py", "socketserver.py")
# Tasks that wait for another task or thread, which shows the reason.
_DELEGATED: Final = ("anyio/streams/memory.py", "anyio/to_thread.py")
_DELEGATED_FUNCTIONS: Final = ("run_sync_in_worker_thread", "AsyncIOBackend.run_sync_in_worker")
SLEEPING: Final = 20.0  # times as many samples as CPU time: on a busy machine threads wait for it
CPU_PRECISION_S: Final = 0.1  # the kernel counts CPU time in ticks
_LIFESPAN: Final = "lifespan"  # of ASGI: waits for the end of the service
_PROBE: Final = "straingauge/inside/probe/sitecustomize.py"
_BOOTSTRAP: Final = "threading.py"


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack and how often it was seen.

    Attributes:
        thread: Name of the thread; empty for a task.
        frames: The outermost first.
        count: Number of samples or of tasks.
        lasting: Number of those tasks that were in the same place at the snapshot before.
    """

    thread: str
    frames: tuple[Frame, ...]
    count: int = 1
    lasting: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The stacks of one process at one instant.

    Attributes:
        pid: The process.
        threads: One for each thread.
        tasks: One for each different stack of asyncio tasks; None if tasks are not visible.
        cpu_s: CPU time that it took in the service.
    """

    pid: int
    threads: tuple[Stack, ...]
    tasks: tuple[Stack, ...] | None = None
    cpu_s: float = 0.0


def read_raw(text: str, cpu_s: Mapping[int, float], rate_hz: int) -> list[Stack]:
    """Read what ``py-spy record --format raw --threads`` writes; skip lines that it cannot read.

    Each line is a stack, its frames separated by ";", a space, and the number of samples. Of a
    thread that sleeps, some samples may count as running: threads with next to no CPU time are
    skipped.

    Args:
        text: The samples.
        cpu_s: CPU time that threads have used meanwhile, by their ids in the system.
        rate_hz: Samples per second.
    """
    found: dict[int, list[Stack]] = {}
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        parts = stack.split(";")
        thread = _RAW_THREAD.match(parts[0])
        frames = tuple(map(_raw_frame, parts[1:] if thread else parts))
        if count.isdecimal() and frames:
            system_id = int(thread[2]) if thread and not thread[1] and thread[2].isdecimal() else 0
            name = (thread[3] if thread else None) or "MainThread"
            entry = Stack(thread_name(name), frames, int(count))
            found.setdefault(system_id, []).append(entry)
    return [
        stack
        for system_id, stacks in found.items()
        if _is_busy(sum(each.count for each in stacks) / rate_hz, cpu_s.get(system_id))
        for stack in stacks
    ]


def _is_busy(sampled_s: float, used_s: float | None) -> bool:
    return used_s is None or sampled_s <= SLEEPING * used_s + CPU_PRECISION_S


def _raw_frame(text: str) -> Frame:
    match = _RAW_FRAME.match(text)
    return Frame(match[2], int(match[3] or 0), match[1]) if match else Frame("", 0, text)


def read_probe(pid: int, text: str | bytes) -> Snapshot:
    """Read a snapshot of the probe.

    Raises:
        ValueError: It is none.
    """
    try:
        content = parse_json(text)
        threads = tuple(
            Stack(thread_name(each["name"]), _reversed(each["frames"]))
            for each in content["threads"]
        )
        visible = content["tasks"] is not None
        tasks = tuple(
            Stack("", _reversed(each["frames"]), int(each["count"]), int(each["lasting"]))
            for each in content["tasks"] or ()
        )
        return Snapshot(pid, threads, tasks if visible else None, float(content["cpu_s"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a snapshot: {error}") from error


def read_dump(pid: int, text: str | bytes) -> Snapshot:
    """Read what ``py-spy dump --json`` writes.

    Raises:
        ValueError: It is none.
    """
    try:
        threads = tuple(
            Stack(
                thread_name(each.get("thread_name") or "MainThread"),
                tuple(
                    Frame(str(frame["filename"]), int(frame["line"]), str(frame["name"]))
                    for frame in reversed(each["frames"])
                    if not frame.get("is_shim_entry") or frame["line"]
                ),
            )
            for each in parse_json(text)
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a dump: {error}") from error
    return Snapshot(pid, threads)


def _reversed(frames: Iterable[Sequence[Any]]) -> tuple[Frame, ...]:
    return tuple(Frame(str(f), int(n), str(name)) for f, n, name in frames)[::-1]


def thread_name(name: str) -> str:
    """Return the name of a thread without its number, so that a pool has one."""
    return _NUMBERED.sub("", name)


def waits_for_work(stack: Stack, own: OwnCode) -> bool:
    """Return True for a thread in an idle event loop or in a pool without work."""
    if not stack.frames or stack.frames[0].file.endswith(_PROBE):
        return True
    innermost = stack.frames[-1]
    if is_loop(innermost) or innermost.file.endswith(_SELECT_FILES):
        return True
    if not innermost.file.endswith(_WAIT_FILES):
        return False
    # A pool runs the service's code in a frame of a library; a loop of the service itself has none
    # between the start of the thread and the service's code.
    inner = [frame for frame in stack.frames if not frame.file.endswith(_BOOTSTRAP)]
    return not inner or own.owns(inner[0].file) or own.nearest(stack.frames) is None


def is_background(task: Stack, own: OwnCode) -> bool:
    """Return True for a task whose outermost frame is the service's own, and for ASGI's lifespan.

    The task of a request begins in the server's code.
    """
    if not task.frames:
        return True
    outermost = task.frames[0]
    lifespan = _LIFESPAN in outermost.file or _LIFESPAN in outermost.function.lower()
    return lifespan or own.owns(outermost.file)


def is_delegated(task: Stack) -> bool:
    """Return True for a task that waits for another task, or for a thread that runs its work."""
    return any(
        frame.file.endswith(_DELEGATED) or frame.function.endswith(_DELEGATED_FUNCTIONS)
        for frame in task.frames[-4:]
    )
