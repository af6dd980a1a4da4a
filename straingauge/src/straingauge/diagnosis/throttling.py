"""Delays of the service or the generator by a quota of CPU time."""

from dataclasses import dataclass

from straingauge.diagnosis.cause import scale
from straingauge.diagnosis.result_view import ResultView
from straingauge.number_text import plain

SERVICE = ("resources", "service", "limits")
GENERATOR = ("resources", "generator", "limits")
# Kubernetes' own rules for Prometheus (kubernetes-mixin, CPUThrottlingHigh) warn from a quarter of
# the periods on.
OFTEN_PERCENT, MOSTLY_PERCENT = 25.0, 75.0
# Of the load's duration, as for locks: a tenth may exceed a threshold.
HELD, MOSTLY_HELD = 0.1, 0.3


@dataclass(frozen=True, slots=True)
class Throttling:
    """Time without CPU, since a control group had used up its quota.

    Attributes:
        confidence: That it explains delays.
        sentence: Its numbers.
        shared: Generator and service share the quota.
    """

    confidence: float
    sentence: str
    shared: bool


def service_throttling(result: ResultView) -> Throttling | None:
    """Return how far the service was throttled; None without a quota, or if that hardly matters."""
    return _throttling(result, SERVICE, "service")


def generator_throttling(result: ResultView) -> Throttling | None:
    """Return the same of the generator."""
    return _throttling(result, GENERATOR, "generator")


def _throttling(result: ResultView, limits: tuple[str, ...], whose: str) -> Throttling | None:
    cpus, percent = result.number(*limits, "cpus"), result.number(*limits, "throttled_percent")
    waited_s = result.figure(*limits, "throttled_s")
    if cpus is None or percent is None or not result.duration_s:
        return None
    share = waited_s / result.duration_s
    if percent < OFTEN_PERCENT / 2 or share < HELD / 2:
        return None
    confidence = min(scale(percent, OFTEN_PERCENT, MOSTLY_PERCENT), scale(share, HELD, MOSTLY_HELD))
    sentence = (
        f"the control group (container) of the {whose} is held to {cpus:g} CPUs: that quota was"
        f" used up in {percent:,.0f} % of its periods, and processes waited {plain(waited_s, 3)}"
        " s for"
        " the next one"
    )
    return Throttling(confidence, sentence, shared=bool(result.at(*GENERATOR, "shared")))
