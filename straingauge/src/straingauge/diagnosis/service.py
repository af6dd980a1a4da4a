"""The service's processes: its event loop, its CPU, freezes, restarts, connections, jobs."""

from straingauge.diagnosis.cause import Cause, Rules, make_cause, scale
from straingauge.diagnosis.result_view import ResultView, number

SERVICE = ("resources", "service")
STALLS = ("metrics", "stalls")
NOTICEABLE_MS = 100.0  # shorter pauses are the scheduler's and the collector's
COMPARABLE = 0.2  # of the delay to be explained
UNUSUAL = 3.0  # times the usual response time
CORE_FULL = 85.0  # percent of one core, by one process
WORK_BEGINS_S = 10.0  # after which somebody should have done a job
KEPT_IDLE_S = 1.5  # at least, by any server that keeps connections
QUEUED = 0.8  # of the usual response time, in which nobody works at the request
CPU_DEAR_MS = 10.0  # of CPU time for one request; most services need a few


def event_loop_blocked(facts: ResultView) -> Cause | None:
    """Speaks when the service's own loop was held up, for long enough to explain the delays.

    An event loop runs one step at a time: while a step computes or waits synchronously, nobody is
    served. A pause much shorter than the delays that were seen did not make them.
    """
    loop = (*SERVICE, "event_loop")
    blocks, longest_ms = facts.figure(*loop, "blocks"), facts.figure(*loop, "longest_ms")
    blocked_s = facts.figure(*loop, "blocked_s")
    share = blocked_s / facts.duration_s if facts.duration_s else 0.0
    if blocks < 3 or longest_ms < NOTICEABLE_MS or share < 0.01:
        return None
    confidence = min(scale(longest_ms, 100, 250), scale(share, 0.02, 0.06))
    evidence = [
        f"the event loop stood still {blocks:.0f} times, {blocked_s:.1f} s in all ({share:.0%} of"
        f" the time), the longest {longest_ms:.0f} ms"
    ]
    if stalls := facts.figure(*STALLS, "count"):
        evidence.append(f"clients saw {stalls:.0f} times in which nobody was answered")
    return make_cause(
        "event_loop_blocked", _comparable(facts, longest_ms, confidence), tuple(evidence)
    )


def freeze(facts: ResultView) -> Cause | None:
    """Speaks when several requests were under way, again and again, and not one was answered.

    One slow request is its own; that all of them wait together is the whole service standing still.
    In waves a few slow ones look the same, so those prove little.
    An event loop that ran meanwhile speaks for something else that all have to pass.
    """
    count, longest_ms = facts.figure(*STALLS, "count"), facts.figure(*STALLS, "longest_ms")
    total_s, every_s = facts.figure(*STALLS, "total_s"), facts.number(*STALLS, "every_s")
    share = total_s / facts.duration_s if facts.duration_s else 0.0
    if count < 2 or longest_ms < NOTICEABLE_MS or share < 0.01:
        return None
    confidence = min(scale(longest_ms, 150, 400), scale(share, 0.01, 0.05))
    if longest_ms < UNUSUAL * facts.figure("metrics", "latency_ms", "p50"):
        confidence = min(confidence, 0.4)  # they may all just take as long as they do
    if facts.reasons.keys() & {"generator_saturated", "generator_late"}:
        confidence = min(confidence, 0.4)  # the generator may have slept instead
    if facts.at("configuration", "schedule", "kind") == "waves":
        confidence = min(confidence, 0.4)  # nobody comes before the slowest of a wave is done
    evidence = [
        f"{count:.0f} times nobody was answered while up to {facts.figure(*STALLS, 'waiting'):.0f}"
        f" requests were under way: {total_s:.1f} s in all ({share:.0%} of the time), the longest"
        f" {longest_ms:.0f} ms"
    ]
    if every_s is not None:
        evidence.append(f"about every {every_s:.1f} s")
    if facts.number(*SERVICE, "event_loop", "blocks") == 0:
        evidence.append("the event loop was not blocked meanwhile")
    return make_cause("freeze", _comparable(facts, longest_ms, confidence), tuple(evidence))


def cpu_bound(facts: ResultView) -> Cause | None:
    """Speaks when the service's processes use all the CPU they can, and much for each request.

    A Python process computes on one core. Any load that is sent as fast as it is answered fills
    it; so it is a cause only where a request costs much, by CPU time divided by requests, or where
    half of them and more do nothing for nearly all of their time but wait until it is their turn.
    """
    busy, processes = facts.figure(*SERVICE, "cpu_percent", "avg"), _processes(facts)
    cpu_ms = 10 * busy * facts.duration_s / facts.requests if facts.requests else 0.0
    part = ("metrics", "server_timing", "parts", "app", "p50_ms")
    app_ms = facts.figure(*part)
    full = busy >= CORE_FULL * processes
    computing = app_ms >= CPU_DEAR_MS and cpu_ms >= 0.6 * app_ms
    if not full and not computing:
        return None
    dear = scale(cpu_ms, CPU_DEAR_MS, 3 * CPU_DEAR_MS)
    typical_ms = facts.figure("metrics", "latency_ms", "p50")
    turn_ms = facts.figure("metrics", "server_timing", "parts", "rest", "p50_ms")
    queued = full and turn_ms >= max(QUEUED * typical_ms, NOTICEABLE_MS)
    confidence = max(dear, 0.85 if queued else 0.4) if full else min(dear, 0.8)
    evidence = [
        f"{processes:.0f} serving process(es) used {busy:.0f} % of a core on average, {cpu_ms:.1f}"
        " ms of CPU for each request"
    ]
    if queued:
        evidence.append(
            f"half of all requests waited {turn_ms:.0f} ms or more before the application began"
        )
    elif app_ms:
        evidence.append(f"half of all requests spent {app_ms:.1f} ms or more in the application")
    return make_cause("cpu_bound", confidence, tuple(evidence))


def service_restarted(facts: ResultView) -> Cause | None:
    """Speaks when processes of the service died; low, since a graceful restart is no fault.

    Only together with broken connections does it account for anything.
    """
    born, died = (facts.figure(*SERVICE, "restarts", key) for key in ("born", "died"))
    if not died:
        return None
    broken = sum(facts.errors.get(kind, 0) for kind in ("reset", "refused", "short_body"))
    evidence = f"{died:.0f} processes ended and {born:.0f} began during the load"
    if broken:
        return make_cause("service_restarted", 0.7, (evidence, f"{broken:.0f} connections broke"))
    return make_cause("service_restarted", 0.3, (evidence, "no connection broke"))


def keep_alive_off(facts: ResultView) -> Cause | None:
    """Speaks when far more connections were opened than there are users.

    The generator keeps one connection for each user and opens another only when the server has
    closed it; HTTP/1.1 servers keep connections open unless told otherwise (RFC 9112, 9.3). After
    some idle seconds they may close them (the shortest defaults are 2 to 5 s): where users come
    back later than that, nothing is to be learnt.
    """
    parts = facts.table("resources", "generator", "processes")
    opened = sum(number(parts, name, "connections") or 0 for name in parts)
    sent = sum(number(parts, name, "sent") or 0 for name in parts)
    users = facts.number("configuration", "users")
    broken = sum(facts.errors.values())
    apart = facts.at("configuration", "connections") not in (None, "per-user")
    if users is None or apart or sent < 50 or opened - broken <= 2 * users:
        return None
    if users * facts.duration_s / sent > KEPT_IDLE_S:
        return None
    share = (opened - broken) / sent
    evidence = f"{opened:.0f} connections were opened for {sent:.0f} requests of {users:.0f} users"
    return make_cause("keep_alive_off", scale(share, 0.3, 0.8), (evidence,))


def jobs_not_draining(facts: ResultView) -> Cause | None:
    """Speaks when the queue of background jobs grew, and few or none of them were done.

    A queue that lags behind a burst and then catches up is doing its work; one that has time and
    does none is not.
    """
    jobs = ("resources", "jobs")
    done = facts.number(*jobs, "done")
    initial, final = (facts.number(*jobs, "waiting", key) for key in ("initial", "final"))
    if done is None or initial is None or final is None or final - initial < 3:
        return None
    come = final - initial + done
    confidence = 0.9 if not done else scale((final - initial) / come, 0.5, 1.1)
    seen_s = facts.duration_s + facts.figure("resources", "after", "quiet_s")
    if seen_s < WORK_BEGINS_S:
        confidence = min(confidence, 0.6)
    evidence = f"{final:.0f} jobs wait at the end, {initial:.0f} at the beginning; {done:.0f} done"
    return make_cause("jobs_not_draining", confidence, (evidence,)) if confidence >= 0.3 else None


RULES: Rules = {
    "event_loop_blocked": event_loop_blocked,
    "freeze": freeze,
    "cpu_bound": cpu_bound,
    "service_restarted": service_restarted,
    "keep_alive_off": keep_alive_off,
    "jobs_not_draining": jobs_not_draining,
}


def _comparable(facts: ResultView, pause_ms: float, confidence: float) -> float:
    return confidence if pause_ms >= COMPARABLE * facts.slow_ms else min(confidence, 0.4)


def _processes(facts: ResultView) -> float:
    return max(facts.figure(*SERVICE, "processes", "peak"), 1.0)
