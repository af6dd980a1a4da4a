"""The share of the response time that a lack of CPU can account for."""

from straingauge.diagnosis.result_view import ResultView

SERVICE = ("resources", "service")
MACHINE = ("resources", "machine")
MOST_BUSY = 0.85  # of a core, as for processes that are out of CPU; then everything waits for it


def is_starved(result: ResultView) -> bool:
    """Return true if the service waited for a CPU longer than it ran, mostly because of others.

    What it computes then takes twice as long or more, so its pauses may be theirs.
    """
    waited = result.figure(*SERVICE, "cpu_wait_percent", "avg")
    own = result.figure(*SERVICE, "cpu_percent", "avg")
    return waited > own and result.figure(*MACHINE, "others_cpu_percent", "avg") > own


def share_of_others(result: ResultView) -> float | None:
    """Return the highest share of the response time for which other programs kept the CPU.

    The kernel counts how long the service's threads were ready to run and waited. A request waits
    for its own share of that, and for those of the requests before it: in a queue with utilization
    u, that is 1 / (1 - u) times as long. For a thread that runs or waits for a CPU all the time,
    the queue is the whole response time. Of the waits, other programs answer for their share of the
    CPU time that the service did not get.

    Returns:
        From 0 to 1; None if the kernel's numbers or the response times are unknown.
    """
    waited = result.number(*SERVICE, "cpu_wait_percent", "avg")
    mean_ms = result.figure("metrics", "latency_ms", "avg")
    if waited is None or not mean_ms or not result.requests:
        return None
    own = result.figure(*SERVICE, "cpu_percent", "avg")
    all_, others = (
        result.figure(*MACHINE, key, "avg") for key in ("cpu_percent", "others_cpu_percent")
    )
    theirs = min(others / (all_ - own), 1.0) if all_ > own else 1.0
    busy = utilization(result)
    if busy >= MOST_BUSY:
        return theirs * waited / (own + waited)
    per_request_ms = 10 * waited * result.duration_s / result.requests
    return min(theirs * per_request_ms / (1 - busy) / mean_ms, 1.0)


def utilization(result: ResultView) -> float:
    """Return the share of time in which the busiest thread ran or waited for a CPU."""
    busiest = result.number(*SERVICE, "busiest_thread_percent", "avg")
    if busiest is not None:
        return busiest / 100
    processes = max(result.figure(*SERVICE, "processes", "peak"), 1.0)
    own, waited = (
        result.figure(*SERVICE, key, "avg") for key in ("cpu_percent", "cpu_wait_percent")
    )
    return (own + waited) / 100 / processes
