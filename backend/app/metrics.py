"""Prometheus metrics, right for several workers.

Each worker keeps its numbers in files of one directory that belongs to the service's main process;
whichever worker is asked adds them up (prometheus-client's multiprocess mode).
"""

import atexit
import multiprocessing
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

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

from app.jobs.figures import JobFigures
from app.pool import PoolState

_PREFIX = "therapybridge-metrics-"


def _directory() -> Path:
    """The directory of this service: named after its main process, which outlives its workers."""
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if given is not None and _PREFIX not in given:  # an operator's own choice
        return Path(given)
    is_worker = multiprocessing.parent_process() is not None
    main = psutil.Process(os.getppid() if is_worker else os.getpid())
    directory = Path(tempfile.gettempdir(), f"{_PREFIX}{_identity(main)}")
    if not is_worker:
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _identity(process: psutil.Process) -> str:
    return f"{os.getuid()}-{process.pid}-{int(process.create_time())}"


def _sweep() -> None:
    """Remove the directories of services that are gone: a killed one could not."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}{os.getuid()}-*"):
        pid = int(directory.name.split("-")[-2])
        try:
            alive = directory.name == f"{_PREFIX}{_identity(psutil.Process(pid))}"
        except psutil.NoSuchProcess:
            alive = False
        if not alive:
            shutil.rmtree(directory, ignore_errors=True)


DIRECTORY = _directory()
_sweep()
DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(DIRECTORY)

# prometheus-client chooses when it is first imported, which may have been long ago. It asks for the
# process id at each count, in case of a fork; uvicorn's workers are spawned.
_PID = os.getpid()
values.ValueClass = values.MultiProcessValue(lambda: _PID)  # type: ignore[no-untyped-call]

_LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_requests = Counter("http_requests", "Requests answered.", ["method", "route", "status"])
_durations = Histogram(
    "http_request_duration_seconds",
    "Time from a request's headers to the end of its answer.",
    ["method", "route"],
    buckets=_LATENCY_S,
)


class PoolMetrics:
    """The pool's numbers (`app.pool.PoolWatcher`), each written only when it has changed."""

    def __init__(self) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, f"{text} Summed over the workers.", multiprocess_mode="livesum")

        self._gauges = (
            gauge("db_pool_size", "Connections the pool keeps open."),
            gauge("db_pool_in_use", "Connections in use."),
            gauge("db_pool_overflow", "Connections open beyond the pool's size."),
            gauge("db_pool_waiters", "Requests waiting for a connection."),
        )
        self._written = PoolState(-1, -1, -1, -1)
        self._wait_s = Histogram(
            "db_pool_wait_seconds", "Time to get a connection.", buckets=(0.0001, *_LATENCY_S)
        )
        self._refusals = Counter(
            "db_pool_timeouts", "Requests that got no connection: waited in vain, or too many did."
        )

    def changed(self, state: PoolState) -> None:
        """Show the pool as it is now."""
        for gauge, was, now in zip(self._gauges, self._written, state, strict=True):
            if was != now:
                gauge.set(now)
        self._written = state

    def waited(self, wait_s: float) -> None:
        """Count a wait."""
        self._wait_s.observe(wait_s)

    def refused(self) -> None:
        """Count a refusal."""
        self._refusals.inc()


pool_metrics = PoolMetrics()


class LoopMetrics:
    """What held the event loops up (`app.event_loop.LoopWatcher`)."""

    def __init__(self) -> None:
        self._blocks = Counter(
            "event_loop_blocks", "Times a worker's event loop stood still for more than 0.1 s."
        )
        self._blocked_s = Counter("event_loop_blocked_seconds", "Time they stood still in all.")
        self._longest_s = Gauge(
            "event_loop_longest_block_seconds",
            "Longest of the last minute, in any worker.",
            multiprocess_mode="livemax",
        )

    def blocked(self, late_s: float) -> None:
        """Count a block."""
        self._blocks.inc()
        self._blocked_s.inc(late_s)

    def longest(self, late_s: float) -> None:
        """Show the longest of the last minute."""
        self._longest_s.set(late_s)


loop_metrics = LoopMetrics()

_Answered = tuple[Counter, Histogram]
_answered: dict[tuple[str, str, int], _Answered] = {}


def request_answered(method: str, route: str, status: int, duration_s: float) -> None:
    """Count a request."""
    key = (method, route, status)
    known = _answered.get(key)
    if known is None:
        known = (_requests.labels(method, route, str(status)), _durations.labels(method, route))
        _answered[key] = known
    known[0].inc()
    known[1].observe(duration_s)


class _Processes(Collector):
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
                # Its pool is gone with it; its counters stay.
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
        yield from (memory, cpu, files)


class _Jobs(Collector):
    """The queue of jobs, which all workers share."""

    def __init__(self, figures: JobFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "jobs_waiting", "Jobs that nobody has begun.", self._figures.waiting
        )
        yield CounterMetricFamily(
            "jobs_done", "Jobs that are over, well or not.", self._figures.done
        )


def _workers() -> set[int]:
    """The processes that have written gauges here."""
    found = (re.fullmatch(r"gauge_live\w+_(\d+)\.db", path.name) for path in DIRECTORY.iterdir())
    return {int(match.group(1)) for match in found if match is not None}


CONTENT_TYPE = CONTENT_TYPE_LATEST


def render(jobs: JobFigures | None) -> bytes:
    """All metrics of all workers, as Prometheus text; without those of the jobs if unknown."""
    registry = CollectorRegistry()
    if jobs is not None:
        registry.register(_Jobs(jobs))
    registry.register(_Processes())  # first: it drops the gauges of the dead
    MultiProcessCollector(registry, path=str(DIRECTORY))  # type: ignore[no-untyped-call]
    return generate_latest(registry)
