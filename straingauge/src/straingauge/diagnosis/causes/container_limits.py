"""Limits of the service's container: its CPU time and its memory."""

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.onset import first_increase_s
from straingauge.diagnosis.result_view import ResultView
from straingauge.diagnosis.throttling import service_throttling

SERVICE = ("resources", "service")


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
    is, so that the service looks like one that waits for something.
    """
    throttling = service_throttling(result)
    if throttling is None:
        return None
    used = result.figure(*SERVICE, "cpu_percent", "avg")
    evidence = [throttling.sentence, f"the service used {used:.0f} % of a core on average"]
    if throttling.shared:
        evidence.append("the load generator has the same quota, and takes a part of it")
    return Evidence(throttling.confidence, tuple(evidence))


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
        limit = "" if limit_mb is None else f", whose limit is {limit_mb:.0f} MB"
        first = f"the kernel ended {own:.0f} processes of the service's control group{limit}"
    else:
        first = f"the kernel ended {machine:.0f} processes of this machine for lack of memory"
    evidence = [first]
    if exited:
        evidence.append(f"{exited:.0f} serving processes exited during the load")
    peak_mb = result.number(*SERVICE, "memory", "peak_mb")
    if peak_mb is not None:
        evidence.append(f"its serving processes had up to {peak_mb:.0f} MB in a sample")
    onset_s = first_increase_s(result, "oom_kills" if own else "machine_oom_kills")
    return Evidence(0.95 if own else 0.7, tuple(evidence), onset_s=onset_s)
