"""The page of metrics in the Prometheus text format, under the names that straingauge expects."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from straingauge.inside.shared_values import ProcessValues, Value

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_GAUGES = (
    (Value.POOL_SIZE, "db_pool_size", "Connections that the pools keep open."),
    (Value.POOL_IN_USE, "db_pool_in_use", "Connections in use."),
    (Value.POOL_OVERFLOW, "db_pool_overflow", "Open connections beyond the pool size."),
    (Value.POOL_WAITERS, "db_pool_waiters", "Requests waiting for a connection."),
)


def render(
    processes: Sequence[ProcessValues],
    *,
    has_pool: bool,
    has_loop: bool,
    remarks: Sequence[str] = (),
) -> bytes:
    """Render the page.

    Gauges have a sample for each living process, with its pid as a label; counters are sums, which
    include processes that have ended.

    Args:
        processes: Values of all processes of the service.
        has_pool: The service has a connection pool.
        has_loop: It has an event loop.
        remarks: Lines for readers, such as what could not be observed.
    """
    lines = [f"# {' '.join(remark.split())}" for remark in remarks]
    if has_pool:
        lines += _pool(processes)
    if has_loop:
        lines += _loop(processes)
    lines += _processes(dict.fromkeys(each.pid for each in processes if each.is_alive))
    return ("\n".join(lines) + "\n").encode()


def _pool(processes: Sequence[ProcessValues]) -> Iterator[str]:
    for value, name, text in _GAUGES:
        yield from _head(name, "gauge", text)
        by_pid: dict[int, float] = {}
        for each in processes:
            if each.is_alive:
                by_pid[each.pid] = by_pid.get(each.pid, 0.0) + each.values[value]
        yield from (f'{name}{{pid="{pid}"}} {sum_:g}' for pid, sum_ in by_pid.items())
    yield from _head("db_pool_wait_seconds", "summary", "Time to get a connection.")
    yield f"db_pool_wait_seconds_count {_sum(processes, Value.POOL_WAITS)}"
    yield f"db_pool_wait_seconds_sum {_sum(processes, Value.POOL_WAIT_S)}"
    text = "Requests without a connection: timed out, or too many waiting."
    yield from _head("db_pool_timeouts_total", "counter", text)
    yield f"db_pool_timeouts_total {_sum(processes, Value.POOL_TIMEOUTS)}"


def _loop(processes: Sequence[ProcessValues]) -> Iterator[str]:
    text = "Times that the event loop of a worker was blocked over 0.1 s."
    yield from _head("event_loop_blocks_total", "counter", text)
    yield f"event_loop_blocks_total {_sum(processes, Value.LOOP_BLOCKS)}"
    text = "Total duration of these blocks."
    yield from _head("event_loop_blocked_seconds_total", "counter", text)
    yield f"event_loop_blocked_seconds_total {_sum(processes, Value.LOOP_BLOCKED_S)}"
    name = "event_loop_longest_block_seconds"
    longest_s = max((p.values[Value.LOOP_LONGEST_S] for p in processes if p.is_alive), default=0.0)
    yield from _head(name, "gauge", "Longest block of the last minute, in any worker.")
    yield f"{name} {longest_s}"


def _processes(pids: Iterable[int]) -> Iterator[str]:
    samples = {pid: _usage(pid) for pid in pids}
    for name, kind, text in (
        ("process_resident_memory_bytes", "gauge", "Resident memory of a worker."),
        ("process_cpu_seconds_total", "counter", "CPU time of a worker."),
        ("process_threads", "gauge", "Threads of a worker."),
        ("process_open_fds", "gauge", "Open files of a worker."),
    ):
        yield from _head(name, kind, text)
        for pid, usage in samples.items():
            if name in usage:
                yield f'{name}{{pid="{pid}"}} {usage[name]}'


def _usage(pid: int) -> dict[str, float]:
    """Return the usage of a process; on systems without /proc, parts of this one's only."""
    process = Path("/proc") / str(pid)
    try:
        # The name, in parentheses, may contain spaces; fields 14, 15, 20 and 24 follow: proc(5).
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        return {
            "process_resident_memory_bytes": int(fields[21]) * os.sysconf("SC_PAGE_SIZE"),
            "process_cpu_seconds_total": (int(fields[11]) + int(fields[12]))
            / os.sysconf("SC_CLK_TCK"),
            "process_threads": int(fields[17]),
            "process_open_fds": sum(1 for _ in (process / "fd").iterdir()),
        }
    except OSError:
        if pid != os.getpid():
            return {}
        times = os.times()
        return {
            "process_cpu_seconds_total": times.user + times.system,
            "process_threads": threading.active_count(),
        }


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return (f"# HELP {name} {text}", f"# TYPE {name} {kind}")


def _sum(processes: Sequence[ProcessValues], value: Value) -> float:
    return sum(each.values[value] for each in processes)
