"""Moments when the service answers no request though it usually does."""

from typing import Final

LEAST_MS: Final = 250.0  # a pause that a user notices, and that a snapshot still meets
UNUSUAL: Final = 10.0  # times the usual time between two answers: by chance 5 in 100,000 (exp(-10))


class Silence:
    """Notices when no request has been answered for an unusually long time.

    Args:
        start_s: The present, of `time.monotonic`.
    """

    def __init__(self, start_s: float) -> None:
        self._start_s = self._last_s = start_s
        self._answered = 0
        self._reported = False

    def stall_ms(self, now_s: float, answered: int) -> int | None:
        """Return the time since the last answer in ms, once for each stall; None if there is none.

        Args:
            now_s: The present.
            answered: The number of requests that were answered so far.
        """
        if answered != self._answered:
            self._answered, self._last_s, self._reported = answered, now_s, False
            return None
        silent_ms = 1000 * (now_s - self._last_s)
        usual_ms = 1000 * (self._last_s - self._start_s) / self._answered if self._answered else 0
        if self._reported or not usual_ms or silent_ms < max(LEAST_MS, UNUSUAL * usual_ms):
            return None
        self._reported = True
        return round(silent_ms)
