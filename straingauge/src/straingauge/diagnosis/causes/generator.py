"""Causes outside the service: the load generator, and other programs on its machine."""

from dataclasses import dataclass

from straingauge.diagnosis.arrival import Arrival, arrival_of_others
from straingauge.diagnosis.cause import LIKELY, Evidence, cause, scale
from straingauge.diagnosis.cpu_wait import (
    is_starved,
    share_beside_siblings,
    share_of_others,
    shared_cpus,
    usable_cpus,
)
from straingauge.diagnosis.database_time import limited
from straingauge.diagnosis.event_loop import blocked_loop_thread
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.throttling import generator_throttling
from straingauge.diagnosis.without_waits import still_missed_without
from straingauge.number_text import count, were

MACHINE = ("resources", "machine")
SERVICE = ("resources", "service")
OUT_OF_SOCKETS = "out_of_sockets"
CORE_FULL_PERCENT = 85.0  # of one core, by one process
MUCH_PERCENT = 30.0  # of one core
SERVICE_NEEDS_PERCENT = 50.0  # of one core
FULL = 0.85  # of all cores: below it there was CPU left for every program
HALF = 0.5  # of the response time, or of the CPU time that a process of the service did not get
MOST = 0.9
STEP = 1.5  # times the median response time: more than it usually varies
OWN_PAUSE_MS = 200.0  # a lack of CPU delays by some scheduler slices, not by this much


@cause(
    title="the load generator could not keep up",
    topics=("generator",),
    explains=("freeze", "slow_endpoint", "slow_tail", "slowing_down"),
    passes=True,
    charts=("cpu", "validity"),
    advice=(
        "use more processes (-n), a lower rate, or a dedicated machine; until then the run says"
        " nothing about the service",
    ),
)
def generator_saturated(result: ResultView) -> Evidence | None:
    """Detect a generator that reports late starts; certain if it used up its own core."""
    saturated, late = (result.reasons.get(f"generator_{name}") for name in ("saturated", "late"))
    reason = saturated or late
    if reason is None:
        return None
    confidence = 0.7 if reason.get("severity") == "invalid" else 0.3
    evidence = [str(reason.get("message"))]
    advice = []
    throttling = generator_throttling(result)
    if throttling is not None and throttling.confidence >= LIKELY:
        confidence = max(confidence, throttling.confidence)
        evidence.append(throttling.sentence)
        advice.append("raise the limit of CPUs of the container in which the generator runs")
    return Evidence(0.95 if saturated else confidence, tuple(evidence), tuple(advice))


@cause(
    title="the load generator has no open file or local port left for connections",
    topics=("errors", "generator"),
    explains=("connection_resets", "generator_saturated", "unreachable"),
    charts=("errors", "validity"),
    advice=(
        "keep connections open between requests: a closed one occupies its local port for a minute",
        "use fewer users on each machine, or raise its limits: ulimit -n, and"
        " net.ipv4.ip_local_port_range; this is no evidence against the service",
    ),
)
def out_of_sockets(result: ResultView) -> Evidence | None:
    """Detect requests that were never sent, since the generator could open no connection.

    The error is that of its operating system, whatever is at the other end.
    """
    unsent = result.errors.get(OUT_OF_SOCKETS, 0)
    if not unsent:
        return None
    details = [row.get("detail") for row in result.examples if row.get("kind") == OUT_OF_SOCKETS]
    evidence = [f"{unsent:,.0f} of {count(result.requests, 'request')} {were(unsent)} not sent"]
    evidence += [f"for example: {detail}" for detail in details[:1]]
    return Evidence(0.5 + 0.4 * unsent / sum(result.errors.values()), tuple(evidence))


@cause(
    title="other programs on this machine took the CPU",
    topics=("generator", "speed", "trend"),
    # The machine comes before anything that runs on it.
    explains=("generator_saturated", "slow_endpoint", "slow_tail", "slowing_down"),
    passes=True,
    charts=("cpu", "heat"),
    advice=(
        "run the test again when the machine is idle, or give service and generator dedicated"
        " cores; this is no evidence against the service",
    ),
)
def noisy_neighbour(result: ResultView) -> Evidence | None:
    """Detect a machine filled by other programs, if the service itself shows no fault.

    A fair scheduler takes little from those who need little: a service that needs a tenth of a core
    is delayed by some slices, not by seconds. So only one that needed much had too little, unless
    the generator was late as well, or the kernel counted that the service waited for a CPU longer
    than it ran. A generator that was late by much less than slow requests took did not make them
    slow. A long-blocked loop, locks and connection timeouts are the
    service's own fault, whatever else is busy, and a process that got a full core was not delayed.
    If other programs arrive during the load and stay, only the time from then on counts, and
    response times that rise at that moment are theirs. A service that is held to some of the CPUs
    shares only these. A generator that fills a core, or the quota of its container, lacks what
    no other program took. If the service's processes are on another
    machine, other programs here delay only the generator.
    """
    crowd = _crowd(result)
    remote = result.at("resources", "service", "source") in ("metrics", "nothing")
    if crowd.others_percent < MUCH_PERCENT or not (crowd.late or (crowd.is_full and not remote)):
        return None
    if _is_own_fault(result):
        return None
    delay = _delay(result, is_late=crowd.late, remote=remote)
    confidence = scale(crowd.others_percent, MUCH_PERCENT, 100)
    confidence = confidence if crowd.is_full else min(confidence, 0.6)
    confidence = limited(confidence, delay.share)
    most, sentences = _limit(result, crowd, delay)
    evidence = (*_evidence(result, crowd), *delay.sentences, *sentences)
    onset_s = None if crowd.arrival is None else crowd.arrival.start_s
    found = Evidence(min(confidence, most), evidence, onset_s=onset_s)
    return found if found.confidence else None


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The use of the CPUs by all programs, in percent of one core.

    Attributes:
        cores: The CPUs that they share.
        used_percent: CPU time of all of them.
        others_percent: That of other programs.
        arrival: When these came, if they came during the load; the use is that from then on.
        late: The generator was late.
    """

    cores: float
    used_percent: float
    others_percent: float
    arrival: Arrival | None
    late: bool

    @property
    def is_full(self) -> bool:
        """All CPUs were busy."""
        return bool(self.cores) and self.used_percent >= 100 * FULL * self.cores


def _crowd(result: ResultView) -> _Crowd:
    arrival = arrival_of_others(result)
    cores, used, others = shared_cpus(result)
    late = bool(result.reasons.keys() & {"generator_saturated", "generator_late"})
    is_held = result.number(*SERVICE, "limits", "allowed_cpus") is not None
    if late and is_held:  # the generator may run on all of them
        used, others = (
            result.figure(*MACHINE, key, "avg") for key in ("cpu_percent", "others_cpu_percent")
        )
        cores = result.figure(*MACHINE, "cores")
    elif arrival is not None and not is_held:
        others, used = arrival.others_percent, arrival.machine_percent
    return _Crowd(cores, used, others, arrival, late)


def _evidence(result: ResultView, crowd: _Crowd) -> tuple[str, ...]:
    neighbours = [
        f"{row.get('name')} ({row.get('cpu_percent')} %)"
        for row in result.rows(*MACHINE, "neighbours")[:3]
    ]
    arrival = crowd.arrival
    since = "on average" if arrival is None else f"from {arrival.start_s:.0f} s on"
    use = (
        f"other programs used {crowd.others_percent:.0f} % of a core {since}, all together"
        f" {crowd.used_percent:.0f} % of {count(crowd.cores, 'core')}"
    )
    return (use, f"the busiest of them: {', '.join(neighbours)}") if neighbours else (use,)


def _limit(result: ResultView, crowd: _Crowd, delay: "_Delay") -> tuple[float, list[str]]:
    """Return the highest confidence that the service's and generator's own use of the CPU allows.

    Returns:
        The confidence, and what limits or supports it.
    """
    most, evidence = 1.0, []
    own_percent = result.figure(*SERVICE, "cpu_percent", "avg")
    if not delay.by_generator:
        most = scale(share_beside_siblings(result), HALF, MOST)
        remaining = None if delay.share is None else still_missed_without(result, delay.share)
        if remaining is not None:
            evidence.append(remaining)
            most = min(most, 0.45)
    slowed = _slowed_by(crowd.arrival)
    if slowed is not None:
        evidence.append(slowed)
    elif not delay.by_generator and own_percent < SERVICE_NEEDS_PERCENT:
        # How long it waited for a CPU is the most that this may explain; less than half is not all.
        may_explain = is_starved(result) and delay.share is not None and delay.share >= HALF
        most = min(most, 0.7 if may_explain else 0.25)
    if own_percent >= CORE_FULL_PERCENT * usable_cpus(result) or (
        delay.by_generator and _is_generator_itself_full(result)
    ):
        # It got all the CPU that its processes can use: they took nothing from it.
        return min(most, 0.25), evidence
    if own_percent > crowd.others_percent:
        evidence.append(f"the service itself used more: {own_percent:.0f} %; repeat without them")
        most = min(most, 0.45)
    return most, evidence


@dataclass(frozen=True, slots=True)
class _Delay:
    """Delays for lack of a CPU.

    Attributes:
        share: Of the response time, at most; None if it is unknown.
        by_generator: The generator was late by enough to explain the response times.
        sentences: What was measured.
    """

    share: float | None
    by_generator: bool = False
    sentences: tuple[str, ...] = ()


def _delay(result: ResultView, *, is_late: bool, remote: bool) -> _Delay:
    """Return the delays of the service, or of the generator if it was late."""
    waited = None if remote else share_of_others(result)
    if not is_late:
        sentence = "for lack of a CPU the service was late by at most"
        known = () if waited is None else (f"{sentence} {waited:.0%} of the response time",)
        return _Delay(waited, sentences=known)
    late_share = _late_share(result)
    if late_share is None or late_share >= HALF:
        return _Delay(None, by_generator=True)
    sentence = f"the generator was late by at most {late_share:.0%} of the time of slow requests"
    return _Delay(max(late_share, waited or 0.0), sentences=(sentence,))


def _late_share(result: ResultView) -> float | None:
    """Return the generator's delay as a share of the time of slow requests; None if unknown."""
    processes = result.table("resources", "generator", "processes")
    delays_ms = [
        delay_ms
        for name in processes
        for key in ("start_delay_p99_ms", "loop_lag_p99_ms")
        if (delay_ms := number(processes, name, key)) is not None
    ]
    if not delays_ms or not result.slow_ms:
        return None
    return min(max(delays_ms) / result.slow_ms, 1.0)


def _is_generator_itself_full(result: ResultView) -> bool:
    """Return true if a process of the generator filled a core, or their container's quota."""
    processes = result.table("resources", "generator", "processes")
    throttling = generator_throttling(result)
    return (throttling is not None and throttling.confidence >= LIKELY) or any(
        (number(processes, name, "cpu_percent") or 0.0) >= CORE_FULL_PERCENT for name in processes
    )


def _slowed_by(arrival: Arrival | None) -> str | None:
    """Describe the step of the response times at the arrival of other programs, if there is one."""
    if arrival is None or arrival.p50_before_ms is None or arrival.p50_after_ms is None:
        return None
    if arrival.p50_after_ms < STEP * arrival.p50_before_ms:
        return None
    return (
        f"the median response time was {arrival.p50_before_ms:.0f} ms before and"
        f" {arrival.p50_after_ms:.0f} ms after they arrived"
    )


def _is_own_fault(result: ResultView) -> bool:
    """Return true if the service's own data show more than a lack of CPU.

    A service that waits for a CPU blocks its loop, and lets others wait for a connection or time
    out, so that these show nothing more.
    """
    if result.figure("resources", "database", "blocked", "longest_s") >= 0.5:
        return True
    if blocked_loop_thread(result) is not None:  # asleep: it does not want a CPU
        return True
    return not is_starved(result) and bool(
        result.figure("resources", "service", "event_loop", "longest_ms") >= OWN_PAUSE_MS
        or result.figure("resources", "pool", "timeouts")
        or result.errors
    )
