"""Lag of Locust's event loop: a late load generator cannot measure a service."""

import time
from typing import Final

import gevent
import numpy as np

from straingauge.engine import Delay
from straingauge.histogram import Histogram

INTERVAL_S: Final = 0.05
MIN_DURATION_S: Final = 1.0


class LoopLagMonitor:
    """Sleeps at a fixed interval, and records how late it wakes up."""

    def __init__(self) -> None:
        self._lag = Histogram()
        self._cpu_s = time.process_time()
        self._started_s = time.monotonic()
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Stop measuring; what was measured stays."""
        self._greenlet.kill()

    @property
    def lag_ms(self) -> Delay:
        """Lag of the loop; 0 in the first second, which has too few samples."""
        if time.monotonic() - self._started_s < MIN_DURATION_S:
            return Delay(0.0, 0.0, 0.0)
        return Delay.of(self._lag)

    @property
    def cpu_share(self) -> float:
        """CPU time of this process divided by elapsed time; 1.0 is one core."""
        elapsed_s = max(time.monotonic() - self._started_s, INTERVAL_S)
        return (time.process_time() - self._cpu_s) / elapsed_s

    def _run(self) -> None:
        while True:
            due_s = time.monotonic() + INTERVAL_S
            gevent.sleep(INTERVAL_S)
            lag_ns = max(0, round((time.monotonic() - due_s) * 1e9))
            self._lag.add(np.array([lag_ns], dtype=np.int64))
