"""The observer: a thread that looks about twice a second, on the clock of the requests."""

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Self

import psutil

from straingauge.errors import UsageError
from straingauge.observe.exposition import MetricsPage
from straingauge.observe.process import ProcessSample, ServiceProcesses

INTERVAL_S = 0.5
FIRST_LOOK_S = 10.0
MAX_SAMPLES = 2_048  # then every second one is forgotten and the interval doubled

Sample = Mapping[str, float]
"""Name -> value at one instant. `t_ns` (monotonic) is always there; what was not seen is not."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the service calls its figures: the table ``[observe]`` of straingauge.toml."""

    metrics_path: str = "/metrics"
    pool_size: str = "db_pool_size"
    pool_in_use: str = "db_pool_in_use"
    pool_overflow: str = "db_pool_overflow"
    pool_waiters: str = "db_pool_waiters"
    pool_wait_seconds: str = "db_pool_wait_seconds"
    pool_timeouts: str = "db_pool_timeouts_total"
    resident_memory: str = "process_resident_memory_bytes"
    cpu_seconds: str = "process_cpu_seconds_total"
    open_files: str = "process_open_fds"

    @classmethod
    def parse(cls, table: Mapping[str, object], *, source: str) -> "Names":
        """Take the names from a TOML table; raises UsageError on a key that means nothing."""
        known = {item.name for item in fields(cls)}
        for key, value in table.items():
            if key not in known or not isinstance(value, str):
                raise UsageError(
                    f"{source}: [observe] {key} = {value!r} means nothing",
                    hint=f"each is the name of a metric: {', '.join(sorted(known))}",
                )
        return cls(**{key: str(value) for key, value in table.items()})


@dataclass(slots=True)
class Watched:
    """What the observer saw.

    Attributes:
        samples: In order of time.
        blind: What it could not see, in words.
        seen_by: "process", "metrics" or "nothing": where the service's own figures come from.
    """

    samples: list[Sample] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    seen_by: str = "nothing"


Look = Callable[[], ProcessSample | None]


class Observer:
    """Watches the service at `base_url` while in use as a context manager.

    Args:
        base_url: Where the service is.
        names: What it calls its figures.
        aside: Takes each look at the service's processes, some ms of reading /proc for each.
            Where threads are none (gevent), it has to be done where it holds up nobody.
    """

    def __init__(
        self,
        base_url: str,
        names: Names | None = None,
        *,
        aside: Callable[[Look], ProcessSample | None] = lambda look: look(),
    ) -> None:
        self._base_url = base_url
        self._names = names or Names()
        self._aside = aside
        self._stop = threading.Event()
        self._looked = threading.Event()
        self._interval_s = INTERVAL_S
        self._lock = threading.Lock()
        self._watched = Watched()
        self._thread = threading.Thread(target=self._run, name="straingauge-observer", daemon=True)

    def __enter__(self) -> Self:
        """Returns after the first look, which is slow: it must not fall on the first requests."""
        self._thread.start()
        self._looked.wait(FIRST_LOOK_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def watched(self) -> Watched:
        """What was seen until now; a copy."""
        with self._lock:
            return Watched(
                list(self._watched.samples), list(self._watched.blind), self._watched.seen_by
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

    def _watch(self) -> None:
        processes = ServiceProcesses(self._base_url)
        page = MetricsPage(self._base_url, self._names.metrics_path)
        try:
            while True:
                self._look(processes, page)
                self._looked.set()
                # An uneven beat: an even one could fall between the waves of a load for ever.
                if self._stop.wait(self._interval_s * random.uniform(0.6, 1.4)):  # noqa: S311
                    break
            self._look(processes, page)
        finally:
            page.close()

    def _look(self, processes: ServiceProcesses, page: MetricsPage) -> None:
        sample: dict[str, float] = {"t_ns": time.monotonic_ns()}
        own = psutil.Process(os.getpid()).cpu_times()
        sample["machine_cpu_percent"] = psutil.cpu_percent(interval=None)
        sample["leader_cpu_s"] = own.user + own.system
        metrics = page.fetch()
        if metrics is not None:
            sample.update(self._pool(metrics))
        seen = self._aside(processes.sample)
        if seen is not None:
            sample |= {
                "rss_bytes": seen.rss_bytes,
                "cpu_s": seen.cpu_s,
                "threads": seen.threads,
                "open_files": seen.open_files,
                "processes": len(seen.pids),
                "helper_rss_bytes": seen.helper_rss_bytes,
                "helpers": seen.helpers,
            }
            if seen.uss_bytes is not None:
                sample["uss_bytes"] = seen.uss_bytes
        elif metrics is not None:
            sample.update(self._own_account(metrics))
        self._keep(sample, processes.blind, page.blind)

    def _pool(self, metrics: Mapping[str, float]) -> dict[str, float]:
        names = self._names
        wanted = {
            "pool_size": names.pool_size,
            "pool_in_use": names.pool_in_use,
            "pool_overflow": names.pool_overflow,
            "pool_waiters": names.pool_waiters,
            "pool_waits": f"{names.pool_wait_seconds}_count",
            "pool_wait_s": f"{names.pool_wait_seconds}_sum",
            "pool_timeouts": names.pool_timeouts,
        }
        return {key: metrics[name] for key, name in wanted.items() if name in metrics}

    def _own_account(self, metrics: Mapping[str, float]) -> dict[str, float]:
        names = self._names
        wanted = {
            "rss_bytes": names.resident_memory,
            "cpu_s": names.cpu_seconds,
            "open_files": names.open_files,
        }
        return {key: metrics[name] for key, name in wanted.items() if name in metrics}

    def _keep(self, sample: Sample, no_processes: str | None, no_page: str | None) -> None:
        with self._lock:
            watched = self._watched
            watched.samples.append(sample)
            if len(watched.samples) > MAX_SAMPLES:
                del watched.samples[1::2]
                self._interval_s *= 2
            if no_processes is None:
                watched.seen_by = "process"
            elif "rss_bytes" in sample:
                watched.seen_by = "metrics"
            watched.blind = [reason for reason in (no_processes, no_page) if reason]
            if no_page is None and "pool_in_use" not in sample:
                watched.blind.append(
                    f"the pool was not seen: no {self._names.pool_in_use} in its /metrics"
                )
