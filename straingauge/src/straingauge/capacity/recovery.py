"""The wait for a service to answer as it did before a level that overloaded it.

A service that still works off the backlog of one level, or restarts, would fail the next one
whatever its load.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.errors import TargetError

PROBE_RATE: Final = 5.0  # arrivals per second: hardly a load, and few requests of a user's limit
PROBE_S: Final = 1.0
MAX_WAIT_S: Final = 60.0  # longer than the timeout of a request, after which a backlog is gone
MAX_SILENCE_S: Final = 5.0  # a supervisor restarts a service sooner
# Median response times of a few requests vary by less than this.
SLOWER: Final = 2.0
SLOWER_MS: Final = 50.0

Probe = Callable[[], Mapping[str, Any]]
"""Send a few requests; returns the result."""


@dataclass(slots=True)
class Recovery:
    """Response times of a service without load, and the wait until they are back.

    Attributes:
        probe: Sends a few requests.
        clock: The time in seconds.
    """

    probe: Probe
    clock: Callable[[], float] = time.monotonic
    _before: Mapping[str, Any] | None = field(default=None, init=False)

    def measure(self) -> None:
        """Measure the service before the first level."""
        if self._before is None:
            self._before = self.probe()

    def wait(self, level: float) -> None:
        """Wait until the service answers as before this level.

        Raises:
            TargetError: It does not within `MAX_WAIT_S`, or is silent for `MAX_SILENCE_S`.
        """
        if self._before is None:
            return
        answered_s = self.clock()
        deadline_s = answered_s + MAX_WAIT_S
        while (problem := _problem(self._before, now := self.probe())) is not None:
            if now["status_codes"]:
                answered_s = self.clock()
            if self.clock() >= answered_s + MAX_SILENCE_S:
                raise TargetError(
                    f"the service died at {level:g}: not one request was answered since",
                    hint="look at its log; start again with a lower --max",
                )
            if self.clock() >= deadline_s:
                raise TargetError(
                    f"the service has not recovered from {level:g} within {MAX_WAIT_S:,.0f} s:"
                    f" {problem}",
                    hint="restart the service, and look at what it still does without requests",
                )


def _problem(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """Describe how a probe differs from the one before; None if it does not."""
    errors, usual = (each["metrics"]["error_rate_percent"] for each in (now, before))
    if errors > usual:
        return f"{errors:,.0f} % of a few requests fail"
    for name, endpoint in now["endpoints"].items():
        p50_ms = endpoint["latency_ms"]["p50"]
        usual_ms = before["endpoints"].get(name, {}).get("latency_ms", {}).get("p50")
        if p50_ms is None or usual_ms is None:
            continue
        if p50_ms > max(SLOWER * usual_ms, usual_ms + SLOWER_MS):
            return f"{name} takes {p50_ms:,.0f} ms, and took {usual_ms:,.0f} ms before"
    return None
