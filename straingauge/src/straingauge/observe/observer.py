"""The observer: a thread that looks about twice a second, on the clock of the requests."""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar

from straingauge.observe.database_stats import DatabaseStats
from straingauge.observe.metric_names import MetricNames
from straingauge.observe.prometheus import MetricsClient
from straingauge.observe.sampler import HostSampler

INTERVAL_S = 0.5
REST_INTERVAL_S = 0.2
FIRST_LOOK_S = 10.0
MAX_SAMPLES = 2_048  # then every second one is forgotten and the interval doubled
COOLDOWN_S = 1.0
PATIENCE = 3  # times the quiet time, for what still comes to rest

Sample = Mapping[str, float]
"""Name -> value at one instant. `t_ns` (monotonic) is always there; what was not seen is not."""

T = TypeVar("T")
Aside = Callable[[Callable[[], Any]], Any]


@dataclass(slots=True)
class Observations:
    """What the observer saw.

    Attributes:
        samples: Of the load, in order of time.
        blind: What it could not see, in words.
        source: "process", "metrics" or "nothing": where the service's own figures come from.
        rest: Samples of the quiet time after the load.
        database: What was seen of the database; None when none was named.
        neighbours: CPU time of other processes of this machine during the load, s, by name.
    """

    samples: list[Sample] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    source: Literal["process", "metrics", "nothing"] = "nothing"
    rest: list[Sample] = field(default_factory=list)
    database: DatabaseStats | None = None
    neighbours: Mapping[str, float] = field(default_factory=dict)


class Observer:
    """Watches the service at `base_url` while in use as a context manager.

    Args:
        base_url: Where the service is.
        names: What it calls its figures.
        database_url: Its PostgreSQL, ``postgresql://user:password@host:port/name``.
        server_pid: Its topmost process, where the port does not tell.
        aside: Takes each look at processes and database, some ms of waiting for the system.
            Where threads are none (gevent), it has to be done where it holds up nobody.
    """

    def __init__(
        self,
        base_url: str,
        names: MetricNames | None = None,
        *,
        database_url: str | None = None,
        server_pid: int | None = None,
        aside: Aside | None = None,
    ) -> None:
        self._names = names or MetricNames()
        self._page = MetricsClient(base_url, self._names.metrics_path)
        self._looks = HostSampler(base_url, database_url, server_pid)
        self._aside = aside
        self._aside_cpu_s = 0.0
        self._wake = threading.Event()
        self._stopping = False
        self._quiet_s: float | None = None
        self._looked = threading.Event()
        self._rested = threading.Event()
        self._interval_s = INTERVAL_S
        self._lock = threading.Lock()
        self._watched = Observations()
        self._thread = threading.Thread(target=self._run, name="straingauge-observer", daemon=True)

    def __enter__(self) -> Self:
        """Returns after the first look, which is slow: it must not fall on the first requests."""
        self._thread.start()
        self._looked.wait(FIRST_LOOK_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def rest(
        self, quiet_s: float = COOLDOWN_S, *, meanwhile: Callable[[], None] = lambda: None
    ) -> None:
        """The load is over: look on for a quiet time, and return after it.

        What goes on coming to rest (connections are given back, jobs are done) is given up to
        three times as long; what does not come back by then is leaked.

        Args:
            quiet_s: The quiet time.
            meanwhile: Called every now and then, lest the caller be taken for dead.
        """
        self._quiet_s = quiet_s
        self._wake.set()
        while not self._rested.wait(INTERVAL_S):
            meanwhile()

    def watched(self) -> Observations:
        """What was seen until now; a copy."""
        with self._lock:
            now = self._watched
            return replace(
                now, samples=list(now.samples), blind=list(now.blind), rest=list(now.rest)
            )

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:
            logging.getLogger(__name__).exception("the observer broke")
            with self._lock:
                self._watched.blind.append(f"the observer broke: {type(error).__name__}: {error}")
        finally:
            self._looked.set()
            self._rested.set()

    def _watch(self) -> None:
        try:
            self._look(self._watched.samples)
            self._apart(self._looks.begin)
            self._looked.set()
            # An uneven beat: an even one could fall between the waves of a load for ever.
            while not self._wake.wait(self._interval_s * random.uniform(0.6, 1.4)):  # noqa: S311
                self._look(self._watched.samples)
            self._looks.hurry()
            self._look(self._watched.samples)
            self._apart(self._looks.end)
            with self._lock:
                self._watched.database = self._looks.database_seen()
            if self._quiet_s is not None:
                self._rest(self._quiet_s)
        finally:
            self._page.close()
            self._looks.close()

    def _rest(self, quiet_s: float) -> None:
        rest = self._watched.rest
        while not self._stopping:
            self._look(rest)
            passed_s = (rest[-1]["t_ns"] - rest[0]["t_ns"]) / 1e9
            at_rest = _at_rest(rest[-1], self._watched.samples[0])
            if passed_s >= PATIENCE * quiet_s or (passed_s >= quiet_s and at_rest):
                break
            time.sleep(REST_INTERVAL_S)

    def _look(self, samples: list[Sample]) -> None:
        sample: dict[str, float] = {"t_ns": time.monotonic_ns()}
        # The page last: a service that is held up lets us wait for it.
        sample |= self._apart(self._looks.sample)
        metrics = self._page.fetch()
        if metrics is not None:
            sample |= self._names.insides(metrics)
            if "rss_bytes" not in sample:
                sample |= self._names.processes(metrics)
        # Where threads are none, this one's time is everybody's.
        sample["observer_cpu_s"] = self._aside_cpu_s if self._aside else time.thread_time()
        self._keep(sample, samples)

    def _apart(self, look: Callable[[], T]) -> T:
        """The outcome of a look, taken where it holds up nobody."""
        if self._aside is None:
            return look()

        def timed() -> T:
            before_s = time.thread_time()
            try:
                return look()
            finally:
                self._aside_cpu_s += time.thread_time() - before_s

        outcome: T = self._aside(timed)
        return outcome

    def _keep(self, sample: Sample, samples: list[Sample]) -> None:
        no_processes, no_page = self._looks.blind, self._page.blind
        with self._lock:
            watched = self._watched
            samples.append(sample)
            if len(samples) > MAX_SAMPLES:
                del samples[1::2]
                self._interval_s *= 2
            if no_processes is None:
                watched.source = "process"
            elif "rss_bytes" in sample:
                watched.source = "metrics"
            watched.blind = [reason for reason in (no_processes, no_page) if reason]
            if no_page is None and "pool_in_use" not in sample:
                watched.blind.append(
                    f"the pool was not seen: no {self._names.pool_in_use} in its /metrics"
                )
            if samples is watched.samples:
                watched.neighbours = self._looks.neighbours
                watched.database = self._looks.database_seen()


def _at_rest(now: Sample, before: Sample) -> bool:
    """Whether no more is in use, and no more is to be done, than before the load."""
    return all(now.get(key, 0) <= before.get(key, 0) for key in ("pool_in_use", "jobs_waiting"))
