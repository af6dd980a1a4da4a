"""The CPUs that a service may use, and the response time that a lack of them can account for."""

from straingauge.diagnosis.result_view import ResultView

SERVICE = ("resources", "service")
MACHINE = ("resources", "machine")
MOST_BUSY = 0.85  # of a core, as for processes that are out of CPU; then everything waits for it


def usable_cpus(result: ResultView) -> float:
    """Return how many CPUs the service can keep busy, if each process computes on one.

    A process on one of two allowed CPUs is full with one; so are four processes on one CPU.
    """
    held = (result.number(*SERVICE, "limits", key) for key in ("allowed_cpus", "cpus"))
    return min([_processes(result), *(cpus for cpus in held if cpus)])


def shared_cpus(result: ResultView) -> tuple[float, float, float]:
    """Return the CPUs on which the service may run, their CPU time, and that of other programs.

    CPU time is in percent of one core. On some of the CPUs, others have at most what is left of
    these CPUs' time by the service itself, however busy the rest of the machine is.
    """
    cores = result.figure(*MACHINE, "cores") or result.figure("environment", "machine", "cpu_count")
    used, others = (
        result.figure(*MACHINE, key, "avg") for key in ("cpu_percent", "others_cpu_percent")
    )
    allowed = result.number(*SERVICE, "limits", "allowed_cpus")
    busy = result.number(*SERVICE, "limits", "allowed_cpus_percent")
    if allowed is None or busy is None:
        return cores, used, others
    own = result.figure(*SERVICE, "cpu_percent", "avg")
    return allowed, busy, min(others, max(busy - own, 0.0))


def is_starved(result: ResultView) -> bool:
    """Return true if the service waited for a CPU longer than it ran, mostly because of others.

    What it computes then takes twice as long or more, so its pauses may be theirs.
    """
    waited = result.figure(*SERVICE, "cpu_wait_percent", "avg")
    own = result.figure(*SERVICE, "cpu_percent", "avg")
    _, _, others = shared_cpus(result)
    return waited > own and others > own


def share_of_others(result: ResultView) -> float | None:
    """Return the highest share of the response time for which other programs kept the CPU.

    Of the waits, other programs answer for their share of the CPU time that the waiting process did
    not get: its siblings, of too many processes for the CPUs that they may use, answer for theirs.

    Returns:
        From 0 to 1; None if the kernel's numbers or the response times are unknown.
    """
    share = share_of_waits(result)
    if share is None:
        return None
    _, used, others = shared_cpus(result)
    one = result.figure(*SERVICE, "cpu_percent", "avg") / _processes(result)
    return share * min(others / (used - one), 1.0) if used > one else share


def share_beside_siblings(result: ResultView) -> float:
    """Return which share of the CPU time that a process did not get went to other programs.

    The rest went to its siblings: of too many processes for the CPUs that they may use.
    """
    own = result.figure(*SERVICE, "cpu_percent", "avg")
    _, _, others = shared_cpus(result)
    siblings = own - own / _processes(result)
    return others / (others + siblings) if others else 0.0


def share_of_waits(result: ResultView) -> float | None:
    """Return the highest share of the response time that passed in waits for a CPU.

    The kernel counts how long the service's threads were ready to run and waited. A request waits
    for its own share of that, and for those of the requests before it: in a queue with utilization
    u, that is 1 / (1 - u) times as long. For a thread that runs or waits for a CPU all the time,
    the queue is the whole response time.

    Returns:
        From 0 to 1; None if the kernel's numbers or the response times are unknown.
    """
    waited = result.number(*SERVICE, "cpu_wait_percent", "avg")
    mean_ms = result.figure("metrics", "latency_ms", "avg")
    if waited is None or not mean_ms or not result.requests:
        return None
    busy = utilization(result)
    if busy >= MOST_BUSY:
        return waited / (result.figure(*SERVICE, "cpu_percent", "avg") + waited)
    per_request_ms = 10 * waited * result.duration_s / result.requests
    return min(per_request_ms / (1 - busy) / mean_ms, 1.0)


def utilization(result: ResultView) -> float:
    """Return the share of time in which the busiest thread ran or waited for a CPU."""
    busiest = result.number(*SERVICE, "busiest_thread_percent", "avg")
    if busiest is not None:
        return busiest / 100
    own, waited = (
        result.figure(*SERVICE, key, "avg") for key in ("cpu_percent", "cpu_wait_percent")
    )
    return (own + waited) / 100 / _processes(result)


def _processes(result: ResultView) -> float:
    return max(result.figure(*SERVICE, "processes", "peak"), 1.0)
