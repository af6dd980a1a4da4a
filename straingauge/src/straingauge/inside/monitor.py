"""The part of `Inside` that ASGI and WSGI share: pools, event loop, access and the page."""

import logging
import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Lock
from typing import Any

from straingauge.inside.access import Access
from straingauge.inside.libraries import watched_pool
from straingauge.inside.loop_monitor import LoopMonitor
from straingauge.inside.metrics_page import render
from straingauge.inside.pool import PoolStatistics
from straingauge.inside.shared_values import Values

logger = logging.getLogger(__name__)

DEFAULT_PATH = "/metrics"


class Monitor:
    """Observe one service from within; see `Inside` for the arguments."""

    def __init__(
        self, engine: object, metrics_path: str | None, networks: Sequence[str], *, timing: bool
    ) -> None:
        if metrics_path is not None and not metrics_path.startswith("/"):
            raise ValueError(f"metrics_path is {metrics_path!r}, and must start with /")
        self.path = metrics_path or DEFAULT_PATH
        self.is_fallback = metrics_path is None
        self.timing = timing
        self.access = Access(networks)
        self.values = Values()
        self.loop = LoopMonitor(self.values)
        self._statistics = PoolStatistics(self.values)
        self._lock = Lock()
        if hasattr(os, "register_at_fork"):
            monitor = weakref.ref(self)
            os.register_at_fork(after_in_child=partial(_begin_process, monitor))
        self._failures: list[str] = []
        self._pending: list[tuple[Callable[[], object], str]] = []
        for each in _each(engine):
            if _is_function(each):
                self._pending.append((each, "it was not called yet"))
            else:
                self._add(each)
        self.has_pool = bool(self._pending or self._statistics.pools)

    def begin_process(self) -> None:
        """Begin a forked process with new values and locks."""
        self._lock = Lock()
        self.values.begin()
        self._statistics.begin()

    def begin_request(self, port: object) -> None:
        """Prepare for a request: pools may have been created or replaced since the last one."""
        if self._pending or not self.values.has_joined:
            with self._lock:
                if not self.values.has_joined:
                    self.values.join(port)
                self._resolve()
        for pool in self._statistics.pools:
            try:
                pool.attach()
            except Exception as error:  # the service works without it
                logger.exception("Inside cannot observe the pool")
                self._statistics.pools.remove(pool)
                self._failures.append(f"the pool cannot be observed: {error}")

    def page(self, *, has_loop: bool) -> bytes:
        """Render the metrics of all worker processes."""
        remarks = [f"the engine is unknown: {reason}" for _, reason in self._pending]
        remarks += self._failures
        if self.values.unavailable:
            remarks.append(f"values of process {os.getpid()} only: {self.values.unavailable}")
        processes = self.values.all()
        has_pool = bool(self._statistics.pools)
        return render(processes, has_pool=has_pool, has_loop=has_loop, remarks=remarks)

    def _add(self, engine: object) -> None:
        pool = watched_pool(engine, self._statistics)
        self._statistics.pools.append(pool)

    def _resolve(self) -> None:
        """Call the functions for engines that did not exist so far."""
        pending = []
        for function, before in self._pending:
            try:
                engine = function()
                if engine is not None:
                    self._add(engine)
                    continue
                reason = "the function returned None"
            except Exception as error:  # noqa: BLE001  the service's own function; the page says it
                reason = f"{type(error).__name__}: {error}"
            if reason != before:
                logger.warning("Inside has no engine so far: %s", reason)
            pending.append((function, reason))
        self._pending = pending


def _begin_process(monitor: "weakref.ref[Monitor]") -> None:
    if (found := monitor()) is not None:
        found.begin_process()


def _each(engine: Any) -> Iterable[Any]:  # noqa: ANN401  any library's
    if engine is None:
        return ()
    return engine if isinstance(engine, (list, tuple)) else (engine,)


def _is_function(value: object) -> bool:
    return callable(value) and hasattr(value, "__code__")
