"""Processes of the service that take the CPU from those that serve requests."""

from straingauge.diagnosis.arrival import percent_of
from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.cpu_wait import share_of_waits, shared_cpus, usable_cpus
from straingauge.diagnosis.result_view import ResultView

SERVICE = ("resources", "service")
MUCH_PERCENT = 30.0  # of a core, as for other programs
FULL = 0.85  # of the CPUs: below it there was one for every program
CORE_FULL_PERCENT = 85.0
HALF, MOST = 0.5, 0.9  # of the response time
SURE = 2.0  # times what other programs used: then it is hardly theirs


@cause(
    title="other processes of the service take the CPU from those that serve requests",
    topics=("speed", "trend"),
    explains=("freeze", "slow_endpoint", "slow_tail", "slowing_down"),
    charts=("cpu", "heat"),
    advice=(
        "give background work (job workers, transcoding, a proxy in the same container) its own"
        " machine or a limit of CPUs, or run it with a lower priority (nice)",
    ),
)
def helpers_take_cpu(result: ResultView) -> Evidence | None:
    """Detect full CPUs of which the service's own helpers use much, while it waits for one.

    Helpers are its children that do not listen, and what runs beside it in its container. They are
    to blame as far as the serving processes waited for a CPU, by the kernel's count, and as far as
    it was not other programs that took it.
    """
    family = percent_of(result, "service_family_cpu_s")
    waits = share_of_waits(result)
    if family is None or waits is None:
        return None
    own = result.figure(*SERVICE, "cpu_percent", "avg")
    cpus, used, others = shared_cpus(result)
    helpers = family - own
    if helpers < MUCH_PERCENT or helpers < others or not cpus or used < 100 * FULL * cpus:
        return None
    confidence = min(scale(helpers, MUCH_PERCENT, 100), 0.9 if helpers >= SURE * others else 0.6)
    share = waits * min(helpers / max(used - own, helpers), 1.0)
    confidence = min(confidence, scale(share, HALF, MOST))
    if own > helpers or own >= CORE_FULL_PERCENT * usable_cpus(result):
        confidence = min(confidence, 0.25)  # it got most, or all that it can use
    evidence = (
        f"helper processes of the service used {helpers:.0f} % of a core, and those that serve"
        f" requests {own:.0f} %: all together, {used:.0f} % of {cpus:.0f} CPUs were used",
        f"for lack of a CPU the service was late by at most {share:.0%} of the response time",
    )
    return Evidence(confidence, evidence) if confidence else None
