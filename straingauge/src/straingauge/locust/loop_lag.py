"""How late Locust's own loop runs: a generator that is late says nothing about the service."""

import time
from typing import Final

import gevent
import numpy as np

from straingauge.engine import Delay
from straingauge.histogram import Histogram

EVERY_S: Final = 0.05
YOUNG_S: Final = 1.0


class LoopLagMonitor:
    """Sleeps for a moment over and over, and keeps how much later than asked it woke."""

    def __init__(self) -> None:
        self._late = Histogram()
        self._cpu_s = time.process_time()
        self._began_s = time.monotonic()
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """No further beats; what was measured stays."""
        self._greenlet.kill()

    @property
    def lag_ms(self) -> Delay:
        """How late the loop ran; nothing yet in the first second, of so few beats."""
        young = time.monotonic() - self._began_s < YOUNG_S
        return Delay(0.0, 0.0, 0.0) if young else Delay.of(self._late)

    @property
    def cpu_share(self) -> float:
        """CPU time of this process by the time passed; 1.0 is one core."""
        return (time.process_time() - self._cpu_s) / max(time.monotonic() - self._began_s, EVERY_S)

    def _run(self) -> None:
        while True:
            due_s = time.monotonic() + EVERY_S
            gevent.sleep(EVERY_S)
            late_ns = max(0, round((time.monotonic() - due_s) * 1e9))
            self._late.add(np.array([late_ns], dtype=np.int64))
