"""Limits of the service's container: its CPU time and its memory."""

from straingauge.diagnosis.arrival import arrival_of_others
from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.cpu_wait import share_of_waits
from straingauge.diagnosis.onset import first_increase_s
from straingauge.diagnosis.result_view import ResultView, is_in_waves
from straingauge.diagnosis.throttling import service_throttling
from straingauge.number_text import count

SERVICE = ("resources", "service")
MACHINE = ("resources", "machine")
FULL_PERCENT = 85.0  # of a core, as for any process that is out of CPU
FREE_PERCENT = 50.0  # of a core: with it, the service would have run half as much again on one
LONGER, MUCH_LONGER = 0.5, 1.5  # times the time that it ran: what it would gain on free CPUs
# In any queue of random arrivals for two CPUs, the waits reach the work at a utilization of 0.71
# (M/M/2: r^2 / (1 - r^2)); with more CPUs, at a higher one.
PARTLY_IDLE = 0.7  # in the busiest sample
MOST_OF_TIME = 0.5  # of the response time
ELSEWHERE = "let its processes run on more CPUs (taskset, CPUAffinity of systemd, cpuset)"


@cause(
    title="the service's container may not use more CPU time",
    topics=("speed", "trend"),
    explains=(
        "cpu_bound",
        "endpoint_errors",
        "event_loop_blocked",
        "freeze",
        "limited_concurrency",
        "noisy_neighbour",
        "pool_exhausted",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
    ),
    code=("running",),
    charts=("cpu", "profile", "latency"),
    advice=(
        "raise the container's limit of CPUs (`docker run --cpus`, `resources.limits.cpu` of"
        " Kubernetes, CPUQuota of systemd), or take work out of the requests",
    ),
)
def cpu_throttled(result: ResultView) -> Evidence | None:
    """Detect a control group that used up its quota of CPU time again and again.

    Until its next period (100 ms by default) no process of the group runs, however idle the machine
    is, so that the service looks like one that waits for something. Processes that may run on some
    of the CPUs only wait for these while others are idle. A thread that is ready does not wait
    beside an idle CPU: if it does, a limit that is not visible from here holds it.
    """
    rules = (_throttled, _held_to_few_cpus, _waits_beside_idle_cpus)
    found = [evidence for rule in rules if (evidence := rule(result)) is not None]
    return max(found, key=lambda evidence: evidence.confidence, default=None)


def _throttled(result: ResultView) -> Evidence | None:
    throttling = service_throttling(result)
    if throttling is None:
        return None
    used = result.figure(*SERVICE, "cpu_percent", "avg")
    evidence = [throttling.sentence, f"the service used {used:,.0f} % of a core on average"]
    if throttling.shared:
        evidence.append("the load generator has the same quota, and takes a part of it")
    return Evidence(throttling.confidence, tuple(evidence))


def _held_to_few_cpus(result: ResultView) -> Evidence | None:
    """Return evidence of processes that fill the CPUs on which they may run, beside idle ones."""
    allowed = result.figure(*SERVICE, "limits", "allowed_cpus")
    there = result.figure(*SERVICE, "limits", "allowed_cpus_percent")
    cores, used = result.figure(*MACHINE, "cores"), result.figure(*MACHINE, "cpu_percent", "avg")
    own, waited = (
        result.figure(*SERVICE, key, "avg") for key in ("cpu_percent", "cpu_wait_percent")
    )
    free = 100 * (cores - allowed) - (used - there)
    if not allowed or own < FULL_PERCENT * allowed or free < FREE_PERCENT:
        return None
    evidence = (
        f"its processes may run on {allowed:.0f} of {cores:.0f} CPUs, and used {own:.0f} % of a"
        f" core there, while {free:.0f} % of a core was idle elsewhere",
        f"its threads waited for a CPU {waited / own:.1f} times as long as they ran",
    )
    confidence = scale(waited / own, LONGER, MUCH_LONGER)
    return Evidence(confidence, evidence, (ELSEWHERE,)) if confidence else None


def _waits_beside_idle_cpus(result: ResultView) -> Evidence | None:
    """Return evidence of waits for a CPU on a machine that had an idle one in each sample.

    Users who all start at the same instants fill the machine for moments, which proves nothing.
    """
    limits = (*SERVICE, "limits")
    is_known = any(result.number(*limits, key) is not None for key in ("cpus", "allowed_cpus"))
    cores, used = result.figure(*MACHINE, "cores"), result.figure(*MACHINE, "cpu_percent", "peak")
    own, waited = (
        result.figure(*SERVICE, key, "avg") for key in ("cpu_percent", "cpu_wait_percent")
    )
    share = share_of_waits(result)
    if is_known or is_in_waves(result) or not used or used > 100 * PARTLY_IDLE * cores:
        return None
    if arrival_of_others(result) is not None:
        return None
    if waited < own or share is None or share < MOST_OF_TIME:
        return None
    evidence = (
        f"its threads waited for a CPU longer than they ran ({waited:.0f} % and {own:.0f} % of the"
        f" time), although {100 * cores - used:.0f} % of a core or more was idle: a limit that"
        " is not visible from here, such as that of a container, may hold them",
    )
    return Evidence(0.6, evidence)


@cause(
    title="the kernel ended processes of the service for lack of memory",
    topics=("errors",),
    explains=(
        "connection_resets",
        "endpoint_errors",
        "service_restarted",
        "slow_start",
        "unreachable",
    ),
    warns_from=0.85,
    charts=("memory", "handles", "rate"),
    advice=(
        "raise the memory limit of the container, or look for what needs the memory: number of"
        " workers, size of caches, bodies and lists held as a whole, a leak",
    ),
)
def out_of_memory(result: ResultView) -> Evidence | None:
    """Detect processes that the kernel ended, by the counts of the control group or the machine.

    The count of the machine includes other programs, so it counts only with an exit of the service.
    """
    own = result.figure(*SERVICE, "limits", "oom_kills")
    exited = result.figure(*SERVICE, "restarts", "exited")
    machine = result.figure("resources", "machine", "oom_kills")
    if not own and not (machine and exited):
        return None
    if own:
        limit_mb = result.number(*SERVICE, "limits", "memory_mb")
        limit = "" if limit_mb is None else f", whose limit is {limit_mb:,.0f} MB"
        first = (
            f"the kernel ended {count(own, 'process', 'processes')} of the service's control group"
            f"{limit}"
        )
    else:
        first = (
            f"the kernel ended {count(machine, 'process', 'processes')} of this machine for lack of"
            " memory"
        )
    evidence = [first]
    if exited:
        processes = count(exited, "serving process", "serving processes")
        evidence.append(f"{processes} exited during the load")
    peak_mb = result.number(*SERVICE, "memory", "peak_mb")
    if peak_mb is not None:
        evidence.append(f"its serving processes had up to {peak_mb:,.0f} MB in a sample")
    onset_s = first_increase_s(result, "oom_kills" if own else "machine_oom_kills")
    return Evidence(0.95 if own else 0.7, tuple(evidence), onset_s=onset_s)
