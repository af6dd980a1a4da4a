"""The observer: a thread that takes two samples per second, on the clock of the requests."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar

from straingauge.http.settings import HttpSettings
from straingauge.observe.database_stats import DatabaseStats
from straingauge.observe.metric_names import MetricNames
from straingauge.observe.open_resources import Remaining
from straingauge.observe.prometheus import MetricsClient
from straingauge.observe.runtime import Runtime, product
from straingauge.observe.sampler import HostSampler
from straingauge.observe.sockets import Calls

INTERVAL_S = 0.5
COOLDOWN_INTERVAL_S = 0.2
FIRST_SAMPLE_TIMEOUT_S = 10.0
MAX_SAMPLES = 2_048  # then every second one is dropped and the interval doubled
COOLDOWN_S = 1.0
MAX_COOLDOWNS = 3  # until connections and jobs are idle

BEHIND_POOLER = (
    "the database URL leads to a connection pooler: its connections to PostgreSQL are observed, "
    "but not the clients that wait for one"
)

Sample = Mapping[str, float]
"""Values at one instant, by name. `t_ns` (monotonic) is always present."""

T = TypeVar("T")
Offload = Callable[[Callable[[], Any]], Any]


@dataclass(slots=True)
class Observations:
    """Everything the observer recorded.

    Attributes:
        samples: Samples of the load, in order of time.
        unavailable: What could not be observed, in sentences.
        source: Source of the service's own statistics: "process", "metrics" or "nothing".
        cooldown: Samples of the cooldown.
        database: Observations of the database; None without its URL.
        neighbours: CPU time of other processes of this machine during the load in s, by name.
        calls: Calls of the service to other programs during the load, by host and port.
        remaining: What the service has open after the cooldown beyond that before the load.
        runtime: Language and HTTP server of the service.
    """

    samples: list[Sample] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)
    source: Literal["process", "metrics", "nothing"] = "nothing"
    cooldown: list[Sample] = field(default_factory=list)
    database: DatabaseStats | None = None
    neighbours: Mapping[str, float] = field(default_factory=dict)
    calls: Mapping[str, Calls] = field(default_factory=dict)
    remaining: Sequence[Remaining] = ()
    runtime: Runtime = field(default_factory=Runtime)


class Observer:
    """Observe the service at `base_url` while used as a context manager.

    Args:
        base_url: The URL of the service.
        names: The names of its metrics.
        database_url: Its PostgreSQL, ``postgresql://user:password@host:port/name``.
        server_pid: Its parent process, if it cannot be found by its port.
        offload: Runs each sampling of processes and database, which blocks for some ms. Under
            gevent it must run in a real thread.
        http: Settings of connections to the service.
    """

    def __init__(
        self,
        base_url: str,
        names: MetricNames | None = None,
        *,
        database_url: str | None = None,
        server_pid: int | None = None,
        offload: Offload | None = None,
        http: HttpSettings | None = None,
    ) -> None:
        self._names = names or MetricNames()
        http = http or HttpSettings()
        self._page = MetricsClient(base_url, self._names.metrics_path, http)
        self._sampler = HostSampler(http.listening_url(base_url), database_url, server_pid)
        self._offload = offload
        self._offloaded_cpu_s = 0.0
        self._wake = threading.Event()
        self._stopping = False
        self._cooldown_s: float | None = None
        self._started = threading.Event()
        self._cooled_down = threading.Event()
        self._interval_s = INTERVAL_S
        self._lock = threading.Lock()
        self._observations = Observations()
        self._thread = threading.Thread(target=self._run, name="straingauge-observer", daemon=True)

    def __enter__(self) -> Self:
        """Return after the first sample, which is slow and must not disturb the first requests."""
        self._thread.start()
        self._started.wait(FIRST_SAMPLE_TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def cooldown(
        self, duration_s: float = COOLDOWN_S, *, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """End the load: observe the service without load, and return after it.

        Connections that are still released and jobs that are still processed extend the cooldown,
        up to three times `duration_s`; what remains then is leaked.

        Args:
            duration_s: Duration of the cooldown.
            meanwhile: Called every half second.
        """
        self._cooldown_s = duration_s
        self._wake.set()
        while not self._cooled_down.wait(INTERVAL_S):
            meanwhile()

    def observations(self) -> Observations:
        """Return a copy of the observations so far."""
        with self._lock:
            now = self._observations
            return replace(
                now,
                samples=list(now.samples),
                unavailable=list(now.unavailable),
                cooldown=list(now.cooldown),
            )

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:
            logging.getLogger(__name__).exception("the observer failed")
            with self._lock:
                self._observations.unavailable.append(
                    f"the observer failed: {type(error).__name__}: {error}"
                )
        finally:
            self._started.set()
            self._cooled_down.set()

    def _watch(self) -> None:
        try:
            self._take_sample(self._observations.samples)
            self._offloaded(self._sampler.begin)
            self._started.set()
            # Uneven intervals: even ones could always fall between the waves of a load.
            while not self._wake.wait(self._interval_s * random.uniform(0.6, 1.4)):  # noqa: S311
                self._take_sample(self._observations.samples)
            self._sampler.refresh()
            self._take_sample(self._observations.samples)
            self._offloaded(self._sampler.end)
            with self._lock:
                self._observations.database = self._sampler.database_stats()
            if self._cooldown_s is not None:
                self._run_cooldown(self._cooldown_s)
        finally:
            self._page.close()
            self._sampler.close()

    def _run_cooldown(self, duration_s: float) -> None:
        samples = self._observations.cooldown
        while not self._stopping:
            self._take_sample(samples)
            passed_s = (samples[-1]["t_ns"] - samples[0]["t_ns"]) / 1e9
            idle = _is_idle(samples[-1], self._observations.samples[0])
            if passed_s >= MAX_COOLDOWNS * duration_s or (passed_s >= duration_s and idle):
                break
            time.sleep(COOLDOWN_INTERVAL_S)
        remaining = self._offloaded(self._sampler.remaining)
        with self._lock:
            self._observations.remaining = remaining

    def _take_sample(self, samples: list[Sample]) -> None:
        sample: dict[str, float] = {"t_ns": time.monotonic_ns()}
        # The metrics last: a blocked service delays them.
        sample |= self._offloaded(self._sampler.sample)
        metrics = self._page.fetch()
        if metrics is not None:
            sample |= self._names.service_metrics(metrics)
            if "rss_bytes" not in sample:
                sample |= self._names.processes(metrics)
        # Under gevent the CPU time of this thread includes the other greenlets.
        sample["observer_cpu_s"] = self._offloaded_cpu_s if self._offload else time.thread_time()
        self._keep(sample, samples)

    def _offloaded(self, look: Callable[[], T]) -> T:
        """Return the outcome of a function, run with `offload` if there is one."""
        if self._offload is None:
            return look()

        def timed() -> T:
            before_s = time.thread_time()
            try:
                return look()
            finally:
                self._offloaded_cpu_s += time.thread_time() - before_s

        outcome: T = self._offload(timed)
        return outcome

    def _keep(self, sample: Sample, samples: list[Sample]) -> None:
        no_processes, no_page = self._sampler.unavailable, self._page.unavailable
        with self._lock:
            observations = self._observations
            samples.append(sample)
            if len(samples) > MAX_SAMPLES:
                del samples[1::2]
                self._interval_s *= 2
            if no_processes is None:
                observations.source = "process"
            elif "rss_bytes" in sample:
                observations.source = "metrics"
            database = self._sampler.database_stats()
            observations.unavailable = [
                *(reason for reason in (no_processes, no_page) if reason),
                *_limits(database),
            ]
            if no_page is None and "pool_in_use" not in sample:
                observations.unavailable.append(
                    "the service exports no pool metrics: "
                    f"no {self._names.pool_in_use} in its /metrics"
                )
            if samples is observations.samples:
                observations.neighbours = self._sampler.neighbours
                observations.calls = deepcopy(self._sampler.calls)
                observations.runtime = Runtime(self._sampler.language, product(self._page.server))
                observations.database = database


def _limits(database: DatabaseStats | None) -> tuple[str, ...]:
    """Return why the database could not be observed at all, or not the clients of its pooler."""
    if database is None:
        return ()
    if not database.reached:
        return database.unavailable
    return (BEHIND_POOLER,) if database.behind_pooler else ()


def _is_idle(now: Sample, before: Sample) -> bool:
    """No more connections are in use and no more jobs wait than before the load."""
    busy = ("pool_in_use", "jobs_waiting", "db_idle_in_transaction")
    return all(now.get(key, 0) <= before.get(key, 0) for key in busy)
