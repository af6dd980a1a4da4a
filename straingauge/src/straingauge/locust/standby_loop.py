"""The greenlet that keeps a run of Locust in a second process."""

import time
from collections.abc import Callable
from typing import Final

import gevent
from locust.runners import WORKER_REPORT_INTERVAL

from straingauge.workers.standby import Standby, Unfinished

MAX_SHARE: Final = 0.01  # of the time: packing measurements delays the users of this process
LONGEST_PAUSE_S: Final = 10.0


class StandbyLoop:
    """Passes on what was measured, as often as workers report; begins at once.

    Args:
        measured: Returns what was measured so far.
    """

    def __init__(self, measured: Callable[[], Unfinished]) -> None:
        self._measured = measured
        self._standby = Standby()
        self._greenlet = gevent.spawn(self._run)

    def discard(self) -> None:
        """End: the result was written."""
        self._greenlet.kill(block=False)
        self._standby.discard()
        self._standby.close()

    def _run(self) -> None:
        while True:
            began_s = time.monotonic()
            self._standby.watch(self._measured())
            cost_s = time.monotonic() - began_s
            pause_s = max(WORKER_REPORT_INTERVAL, cost_s / MAX_SHARE)
            gevent.sleep(min(pause_s, LONGEST_PAUSE_S))
