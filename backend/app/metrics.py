"""Prometheus metrics of all processes.

Each process writes its metrics to files in a directory of the service (`app.metrics_files`). The
worker that serves /metrics aggregates them (multiprocess mode of prometheus-client).
"""

import logging
import os
import re
import struct
import time
from collections.abc import Iterable, Iterator

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    values,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.jobs.queue_stats import QueueStats
from app.metrics_files import FILES, SharedValue
from app.pool import PoolState

logger = logging.getLogger(__name__)

values.ValueClass = SharedValue

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_requests = Counter("http_requests", "Completed requests.", ["method", "route", "status"])
_durations = Histogram(
    "http_request_duration_seconds",
    "Time from the headers of a request to the end of its response.",
    ["method", "route"],
    buckets=_LATENCY_S,
)


class PoolMetrics:
    """Metrics of the connection pool (`app.pool.PoolObserver`), written on change only."""

    def __init__(self) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, f"{text} Sum of all workers.", multiprocess_mode="livesum")

        self._gauges = (
            gauge("db_pool_size", "Connections that the pool keeps open."),
            gauge("db_pool_in_use", "Connections in use."),
            gauge("db_pool_overflow", "Open connections beyond the pool size."),
            gauge("db_pool_waiters", "Requests waiting for a connection."),
        )
        self._written = PoolState(-1, -1, -1, -1)
        self._wait_s = Histogram(
            "db_pool_wait_seconds", "Time to get a connection.", buckets=(0.0001, *_LATENCY_S)
        )
        self._refusals = Counter(
            "db_pool_timeouts", "Requests without a connection: timed out, or too many waiting."
        )

    def on_change(self, state: PoolState) -> None:
        """Update the gauges."""
        for gauge, old, new in zip(self._gauges, self._written, state, strict=True):
            if old != new:
                gauge.set(new)
        self._written = state

    def on_wait(self, wait_s: float) -> None:
        """Record the duration of a checkout."""
        self._wait_s.observe(wait_s)

    def on_refusal(self) -> None:
        """Count a failed checkout."""
        self._refusals.inc()


pool_metrics = PoolMetrics()


class LoopMetrics:
    """Metrics of event loop blocks (`app.event_loop.LoopObserver`)."""

    def __init__(self) -> None:
        self._blocks = Counter(
            "event_loop_blocks", "Times that the event loop of a worker was blocked over 0.1 s."
        )
        self._blocked_s = Counter("event_loop_blocked_seconds", "Total duration of these blocks.")
        self._longest_s = Gauge(
            "event_loop_longest_block_seconds",
            "Longest block of the last minute, in any worker.",
            multiprocess_mode="livemax",
        )

    def on_block(self, duration_s: float) -> None:
        """Count a block."""
        self._blocks.inc()
        self._blocked_s.inc(duration_s)

    def on_longest_change(self, duration_s: float) -> None:
        """Update the longest block of the last minute."""
        self._longest_s.set(duration_s)


loop_metrics = LoopMetrics()


class HashingMetrics:
    """Metrics of the queue for password hashing (`app.auth.hashing_queue.QueueObserver`)."""

    def __init__(self) -> None:
        self._waiting = Gauge(
            "password_hashing_waiters",
            "Log-ins and sign-ups waiting to be hashed. Sum of all workers.",
            multiprocess_mode="livesum",
        )
        self._refusals = Counter(
            "password_hashing_refusals", "Log-ins and sign-ups refused, because too many waited."
        )

    def on_waiting(self, waiting: int) -> None:
        """Update the number of waiting requests."""
        self._waiting.set(waiting)

    def on_refusal(self) -> None:
        """Count a refusal."""
        self._refusals.inc()


hashing_metrics = HashingMetrics()


class BackgroundMetrics:
    """Metrics of background tasks (`app.background`)."""

    def __init__(self) -> None:
        self._failures = Counter(
            "background_task_failures", "Exceptions that ended a run of a task.", ["task"]
        )
        self._last_run_s = Gauge(
            "background_task_last_run_timestamp_seconds",
            "End of a task's last successful run.",
            ["task"],
            multiprocess_mode="max",
        )

    def on_run(self, task: str) -> None:
        """Record a successful run."""
        self._last_run_s.labels(task).set(time.time())

    def on_failure(self, task: str) -> None:
        """Count a failed run."""
        self._failures.labels(task).inc()

    def last_runs(self) -> dict[str, float] | None:
        """Return when each task last ran, in seconds since the epoch; None if that is unknown."""
        FILES.flush()
        if FILES.directory is None or not FILES.is_writable:
            return None
        try:
            families = list(MultiProcessCollector.merge(FILES.directory.glob("gauge_max_*.db")))  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError, struct.error):
            logger.exception("the metrics cannot be read from %s", FILES.directory)
            return None
        return {
            sample.labels["task"]: sample.value
            for family in families
            if family.name == "background_task_last_run_timestamp_seconds"
            for sample in family.samples
        }


background_metrics = BackgroundMetrics()


class LogMetrics:
    """Metrics of the log file."""

    def __init__(self) -> None:
        self._lost = Counter("log_lines_lost", "Log lines that could not be written.")

    def on_lost(self, lines: int) -> None:
        """Count lost lines."""
        self._lost.inc(lines)


log_metrics = LogMetrics()


class StorageMetrics:
    """Metrics of recordings that seem to belong to no session."""

    def __init__(self) -> None:
        self._set_aside = Counter(
            "storage_orphans_set_aside", "Recordings without a session that were set aside."
        )
        self._restored = Counter(
            "storage_orphans_restored", "Recordings moved back because their session was found."
        )
        self._deleted = Counter(
            "storage_orphans_deleted", "Recordings deleted at the end of their retention."
        )

    def on_tidied(self, *, set_aside: int, restored: int, deleted: int) -> None:
        """Count the outcome of one run."""
        self._set_aside.inc(set_aside)
        self._restored.inc(restored)
        self._deleted.inc(deleted)


storage_metrics = StorageMetrics()

_RouteMetrics = tuple[Counter, Histogram]
_route_metrics: dict[tuple[str, str, int], _RouteMetrics] = {}


def record_request(method: str, route: str, status: int, duration_s: float) -> None:
    """Count a request and its duration."""
    key = (method, route, status)
    metrics = _route_metrics.get(key)
    if metrics is None:
        metrics = (_requests.labels(method, route, str(status)), _durations.labels(method, route))
        _route_metrics[key] = metrics
    metrics[0].inc()
    metrics[1].observe(duration_s)


class _ProcessCollector(Collector):
    """Memory, CPU time and open files of each worker."""

    def collect(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "process_resident_memory_bytes", "Resident memory of a worker.", labels=["pid"]
        )
        cpu = CounterMetricFamily("process_cpu_seconds", "CPU time of a worker.", labels=["pid"])
        files = GaugeMetricFamily("process_open_fds", "Open files of a worker.", labels=["pid"])
        for pid in _workers():
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times = process.cpu_times()
                    label = [str(pid)]
                    memory.add_metric(label, process.memory_info().rss)
                    cpu.add_metric(label, times.user + times.system)
                    files.add_metric(label, process.num_fds())
            except psutil.NoSuchProcess:
                # Removes the gauges of the process and keeps its counters.
                mark_process_dead(pid, FILES.directory)  # type: ignore[no-untyped-call]
        yield from (memory, cpu, files)


class _JobCollector(Collector):
    """Statistics of the job queue, which all workers share."""

    def __init__(self, stats: QueueStats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("jobs_waiting", "Jobs that have not started.", self._stats.waiting)
        yield CounterMetricFamily(
            "jobs_done", "Jobs that have finished or failed.", self._stats.done
        )


class _FilesCollector(Collector):
    """The metrics in the files of all processes."""

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "metrics_writable", "0 while this worker cannot write its metrics.", FILES.is_writable
        )
        FILES.flush()
        if FILES.directory is None or not FILES.is_writable:
            return
        try:
            yield from MultiProcessCollector(None, path=str(FILES.directory)).collect()  # type: ignore[no-untyped-call]
        except (OSError, RuntimeError, ValueError, struct.error):
            logger.exception("the metrics cannot be read from %s", FILES.directory)


def _workers() -> set[int]:
    """Return the pids of processes that have written gauges to the directory."""
    if FILES.directory is None or not FILES.is_writable:
        return {os.getpid()}
    names = [path.name for path in FILES.directory.glob("gauge_live*.db")]
    matches = (re.fullmatch(r"gauge_live\w+_(\d+)\.db", name) for name in names)
    return {int(match.group(1)) for match in matches if match is not None}


CONTENT_TYPE = CONTENT_TYPE_LATEST


def render(jobs: QueueStats | None) -> bytes:
    """Render the metrics of all processes as Prometheus text.

    Args:
        jobs: Statistics of the job queue; None to omit them.
    """
    registry = CollectorRegistry()
    if jobs is not None:
        registry.register(_JobCollector(jobs))
    registry.register(_ProcessCollector())  # before the next: removes gauges of dead processes
    registry.register(_FilesCollector())
    return generate_latest(registry)
