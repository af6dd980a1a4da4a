"""Stacks of threads and asyncio tasks of a Python process, on request over a Unix socket.

Python imports this module when it starts, if its folder is on PYTHONPATH. It starts a thread that
sleeps until a client connects to ``$STRAINGAUGE_PROBE/PID.sock``; the client gets one JSON object
and the connection is closed. With STRAINGAUGE_PROBE_MEMORY a second socket tells where memory is
allocated and threads are created, from the first connection to it on: traced imports would take
minutes. Stacks of tasks that wait cannot be read from outside of the process.
It runs in services with Python 3.8 or newer, and imports only the standard library.
"""

from __future__ import annotations

import _thread
import _weakref
import importlib
import os
import sys
import time

TYPE_CHECKING = False  # `typing` would be imported at each start of Python
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable
    from types import CodeType, FrameType
    from typing import Any

    Line = tuple[CodeType, int]

FOLDER = "STRAINGAUGE_PROBE"
MAX_TASKS = 5_000
MAX_FRAMES = 100
MAX_STACKS = 200
MAX_ALLOCATIONS = 3_000
MEMORY = "STRAINGAUGE_PROBE_MEMORY"  # number of frames to keep of each allocation
MEMORY_SUFFIX = ".memory"  # instead of ".sock"

# The stacks of the last snapshot, each with a weak reference to its task, by the task's id.
_last: dict[int, tuple[_weakref.ref[Any], tuple[Line, ...]]] = {}


def snapshot() -> dict[str, Any]:
    """Return the stacks of all threads and all waiting tasks, each from its innermost frame.

    `cpu_s` is the CPU time that it took.
    """
    began_s = time.thread_time()
    # Imported here, it would take this thread for the main thread.
    threading = sys.modules.get("threading")
    active = [] if threading is None else threading.enumerate()
    names = {thread.ident: thread.name for thread in active}
    own = _thread.get_ident()
    threads = [
        {"name": names.get(ident, "MainThread"), "frames": _shown(_thread_stack(frame))}
        for ident, frame in sys._current_frames().items()  # noqa: SLF001  the only way to see other threads
        if ident != own
    ]
    return {"threads": threads, "tasks": _counted_tasks(), "cpu_s": time.thread_time() - began_s}


def _counted_tasks() -> list[dict[str, Any]] | None:
    """Return the different stacks of tasks, each with the number of tasks; None if not visible.

    `lasting` are those of them that had the same stack at the last snapshot. From Python 3.14 on,
    tasks are in lists of their threads, which other threads cannot read.
    """
    if sys.version_info >= (3, 14):
        return None
    before = dict(_last)
    _last.clear()
    counts: dict[tuple[Line, ...], list[int]] = {}
    for task in _tasks():
        stack = _task_stack(task)
        if stack and (stack in counts or len(counts) < MAX_STACKS):
            count = counts.setdefault(stack, [0, 0])
            count[0] += 1
            known, where = before.get(id(task), (None, ()))
            count[1] += known is not None and known() is task and where == stack
            _last[id(task)] = _weakref.ref(task), stack
    return [
        {"count": count, "lasting": lasting, "frames": _shown(stack)}
        for stack, (count, lasting) in counts.items()
    ]


def _shown(stack: Iterable[Line]) -> list[list[Any]]:
    return [
        [code.co_filename, line, getattr(code, "co_qualname", code.co_name)] for code, line in stack
    ]


def _thread_stack(frame: FrameType | None) -> Iterable[Line]:
    frames = 0
    while frame is not None and frames < MAX_FRAMES:
        yield frame.f_code, frame.f_lineno or 0
        frame, frames = frame.f_back, frames + 1


def _tasks() -> Iterable[asyncio.Task[Any]]:
    """Yield the tasks of all event loops; those that change meanwhile may be missing."""
    module = sys.modules.get("asyncio.tasks")
    if module is None:
        return
    found: dict[int, asyncio.Task[Any]] = {}
    for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks"):  # until 3.11, from 3.12 on
        for _attempt in range(5):
            try:
                found.update((id(task), task) for task in list(getattr(module, name, ())))
                break
            except RuntimeError:  # another thread has added a task meanwhile
                continue
    yield from list(found.values())[:MAX_TASKS]


def _task_stack(task: asyncio.Task[Any]) -> tuple[Line, ...]:
    """Return the frames in which a task waits; empty if it has ended or is running."""
    if task.done():
        return ()
    stack: list[Line] = []
    step = task.get_coro()
    while step is not None and len(stack) < MAX_FRAMES:
        frame = _attribute(step, "frame")
        if frame is None:
            break
        if _attribute(step, "running"):
            return ()
        stack.append((frame.f_code, frame.f_lineno or 0))
        step = _attribute(step, "await", "yieldfrom")
    return tuple(reversed(stack))


def _attribute(step: Any, *names: str) -> Any:  # noqa: ANN401  coroutines of any kind
    """Return an attribute of a coroutine, generator or asynchronous generator."""
    for prefix in ("cr", "gi", "ag"):
        for name in names:
            found = getattr(step, "{}_{}".format(prefix, name), None)  # noqa: UP032
            if found is not None:
                return found
    return None


def memory() -> dict[str, Any]:
    """Return the largest amounts of memory in use, and the threads, by the stack that made them.

    Only memory and threads since the first call count. Frames are those of `tracemalloc`, the
    outermost first.
    """
    tracemalloc = importlib.import_module("tracemalloc")
    if not tracemalloc.is_tracing():
        tracemalloc.start(int(os.environ[MEMORY]))
    importlib.import_module("gc").collect()
    largest = tracemalloc.take_snapshot().statistics("traceback")[:MAX_ALLOCATIONS]
    return {
        "allocations": [
            {
                "bytes": each.size,
                "frames": [[frame.filename, frame.lineno] for frame in each.traceback],
            }
            for each in largest
        ],
        "threads": _counted_threads(tracemalloc),
    }


def _counted_threads(tracemalloc: Any) -> list[dict[str, Any]]:  # noqa: ANN401  the module
    """Return how many threads are alive, by what they run and the stack that created them."""
    threading = sys.modules.get("threading")
    counts: dict[tuple[str, tuple[tuple[str, int], ...]], int] = {}
    for thread in () if threading is None else threading.enumerate():
        created = _created(tracemalloc, thread)
        # A dummy stands for a thread of other origin, and remains when that has ended.
        if created is not None and type(thread).__name__ != "_DummyThread":
            frames = tuple((frame.filename, frame.lineno) for frame in created)
            key = _target_name(thread), frames
            if key in counts or len(counts) < MAX_STACKS:
                counts[key] = counts.get(key, 0) + 1
    return [
        {"count": count, "target": target, "frames": frames}
        for (target, frames), count in counts.items()
    ]


def _created(tracemalloc: Any, thread: Any) -> Any:  # noqa: ANN401  the module, and what it has
    """Return where a thread was created; None if that was not traced.

    Until Python 3.11 `tracemalloc` does not find objects with a `__dict__`, so a part without one
    is looked up as well.
    """
    condition = getattr(getattr(thread, "_started", None), "_cond", None)
    found = tracemalloc.get_object_traceback(thread)
    return found or tracemalloc.get_object_traceback(getattr(condition, "_waiters", None))


def _target_name(thread: Any) -> str:  # noqa: ANN401  a thread of any class
    """Return the name of the function that a thread runs."""
    target = getattr(thread, "_target", None)
    while target is not None and hasattr(target, "func"):  # functools.partial
        target = target.func
    if target is None:
        return "{}.run".format(type(thread).__qualname__)  # noqa: UP032
    return str(getattr(target, "__qualname__", type(target).__qualname__))


def _serve(path: str, answer: Callable[[], dict[str, Any]]) -> None:
    """Answer each connection to a socket with a snapshot, until the process ends."""
    _socket = importlib.import_module("_socket")  # `socket` would slow down each start of Python
    try:
        listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        listener.bind(path)
        listener.listen(1)
    except OSError:  # the folder is gone, or the file system has no sockets: nothing is profiled
        return
    while True:
        try:
            connection = _socket.socket(fileno=listener._accept()[0])  # noqa: SLF001  a socket of C
        except OSError:
            return
        try:
            _answer(connection, answer())
        except OSError:  # the client has gone
            pass
        finally:
            connection.close()


def _answer(connection: Any, content: dict[str, Any]) -> None:  # noqa: ANN401  `_socket` has no types
    json = importlib.import_module("json")
    connection.settimeout(5.0)
    connection.sendall(json.dumps(content).encode())


def start() -> None:
    """Start the thread, in this process and in each fork of it.

    `threading` does not know the thread, so neither do checks of the service for its own threads.
    """
    folder = os.environ.get(FOLDER)
    if not folder or not os.path.isdir(folder):  # noqa: PTH112
        return
    path = os.path.join(folder, str(os.getpid()))  # noqa: PTH118
    try:
        _thread.start_new_thread(_serve, (f"{path}.sock", snapshot))
        if os.environ.get(MEMORY, "").isdigit():
            _thread.start_new_thread(_serve, (path + MEMORY_SUFFIX, memory))
    except RuntimeError:  # no more threads are allowed
        return


def import_hidden() -> None:
    """Import the `sitecustomize` that this one hides, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != here]  # noqa: PTH100
    ours = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
    finally:
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)


if __name__ == "sitecustomize":
    start()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=start)
    import_hidden()
