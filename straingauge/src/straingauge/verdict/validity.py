"""The validity of a run: reasons why its numbers may not describe the service, with advice.

An *invalid* run has no grade. A *note* is something a reader must know about the numbers.
"""

import math
from collections.abc import Callable, Iterable, Sequence

from straingauge.number_text import count, plain, were
from straingauge.result.format.reason import Reason, ended_early
from straingauge.statistics import samples_needed
from straingauge.verdict.validity_input import ValidityInput

RATE_LIMITED_LIMIT = 0.01  # of all requests
DROPPED_LIMIT = 0.01  # of all arrivals
WITHOUT_SOCKET_LIMIT = 0.01  # of all requests
LOST_LIMIT = 0.10  # of the load
LATE_FLOOR_MS = 20.0  # a shorter delay of the generator does not matter
LATE_SHARE = 0.1  # of p95: nor does a smaller one
LATE_LIMIT_MS = 250.0
STRAGGLER_SHARE = 0.05  # of the schedule; a shorter wait would hardly change the throughput
BUSY_CPU_SHARE = 0.95  # of one core, by one process of the generator
ENOUGH_FOR_P99 = samples_needed(0.99)


Rule = Callable[[ValidityInput], Iterable[Reason]]


def check_validity(evidence: ValidityInput) -> list[Reason]:
    """Return all reasons that apply, those that make the run invalid first."""
    reasons = [reason for rule in _RULES for reason in rule(evidence)]
    return sorted(reasons, key=lambda reason: reason.severity)


def check_timeliness(evidence: ValidityInput) -> list[Reason]:
    """Return the reasons for which the generator did not keep the schedule of a scenario."""
    if not evidence.requests:
        return []
    return [*_late(evidence), *_dropped(evidence)]


def _setup_failed(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.setup_error:
        message = f"no load was sent: {evidence.setup_error}"
        yield Reason("setup_failed", "invalid", message, evidence.setup_advice)


def _interrupted(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.interrupted:
        yield Reason(
            "interrupted",
            "invalid",
            f"{evidence.interrupted}, after {count(evidence.requests, 'request')}; "
            "the result contains the measurements until then",
            "repeat the run",
        )


def _ended(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.end_reason:
        yield ended_early(evidence.end_reason)


def _changed(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.changes:
        changes = "; ".join(evidence.changes)
        yield Reason("changed", "note", f"a user changed the load while it ran: {changes}")


def _no_data(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.requests or evidence.setup_error or evidence.interrupted:
        return
    if evidence.abandoned:
        yield Reason(
            "no_data",
            "invalid",
            f"no request was answered: {evidence.abandoned} were in flight when the run ended",
            "look for what the service waits for; a run that is longer than the timeout counts"
            " such requests as errors",
        )
    else:
        yield Reason(
            "no_data", "invalid", "no request was sent", "check the journey and its schedule"
        )


def _rate_limited(evidence: ValidityInput) -> Iterable[Reason]:
    share = evidence.rate_limited / evidence.requests if evidence.requests else 0.0
    if share:
        yield Reason(
            "rate_limited",
            "invalid" if share > RATE_LIMITED_LIMIT else "note",
            f"{evidence.rate_limited:,} of {count(evidence.requests, 'request')} ({share:.1%})"
            f" {were(evidence.rate_limited)} "
            "rate-limited (429): the run measures the rate limiter",
            "spread the load over more users, or raise the service's limit for this test",
        )


def _out_of_sockets(evidence: ValidityInput) -> Iterable[Reason]:
    share = evidence.without_socket / evidence.requests if evidence.requests else 0.0
    if share:
        yield Reason(
            "out_of_sockets",
            "invalid" if share > WITHOUT_SOCKET_LIMIT else "note",
            f"{evidence.without_socket:,} of {count(evidence.requests, 'request')} ({share:.1%})"
            f" {were(evidence.without_socket)} not"
            " sent: the generator had no open file or local port left for a connection",
            "keep connections open between requests, use fewer users on each machine, or raise its"
            " limits: ulimit -n, net.ipv4.ip_local_port_range",
        )


def _late(evidence: ValidityInput) -> Iterable[Reason]:
    """The generator was late: its delays are part of the response times.

    The run is invalid if the generator had no CPU time left, or if its delays are as large as
    usual thresholds. Occasional short delays on a shared machine are a note. So are all delays if
    most connections fail, or no response is right: no request is refused for being late.
    """
    late = max(evidence.start_delay_p99_ms, evidence.loop_lag_p99_ms)
    share = late / evidence.p95_ms if evidence.p95_ms else math.inf
    if late <= LATE_FLOOR_MS or share <= LATE_SHARE:
        return
    saturated = _busy(evidence) or evidence.loop_lag_p50_ms > LATE_FLOOR_MS
    yield Reason(
        "generator_saturated" if saturated else "generator_late",
        "invalid" if (saturated or late > LATE_LIMIT_MS) and not evidence.is_down else "note",
        f"the generator was late by {late:,.0f} ms or more for 1 % of the requests (arrivals "
        f"{evidence.start_delay_p99_ms:,.0f} ms, event loop {evidence.loop_lag_p99_ms:,.0f} ms, "
        f"{evidence.cpu_share:.0%} of a core busy), which is part of the response times"
        f"{_whatever_the_delays(evidence)}",
        "use more processes (-n), a lower rate, or a machine without other work",
    )


def _whatever_the_delays(evidence: ValidityInput) -> str:
    """Return why a reason does not make the run invalid, as the end of its message."""
    if not evidence.is_down:
        return ""
    failed = (
        f"the connections of {evidence.disconnected:,} of {count(evidence.requests, 'request')}"
        " failed"
        if evidence.disconnected > evidence.wrong_responses
        else f"none of {count(evidence.requests, 'response')} was right"
    )
    return f"; the run is judged nevertheless: {failed}, which a late generator does not cause"


def _busy(evidence: ValidityInput) -> bool:
    return evidence.cpu_share >= BUSY_CPU_SHARE


def _blocking_call(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.blocking_call:
        name, kept_ms = evidence.blocking_call
        yield Reason(
            "blocking_call",
            "note",
            f"the own step {name!r} kept the generator's event loop for {kept_ms:,.0f} ms, in which"
            " all other requests were late",
            "decorate what blocks with measure(name), which runs it in a thread",
        )


def _few_threads(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.thread_queue_p99_ms > LATE_FLOOR_MS:
        yield Reason(
            "few_threads",
            "note",
            f"own steps waited {evidence.thread_queue_p99_ms:,.0f} ms or more for a thread of the"
            " generator in 1 % of the cases, which is in none of their times",
            "use more processes (-n), or an asynchronous client and call(...)",
        )


def _tear_down(evidence: ValidityInput) -> Iterable[Reason]:
    failed, missed = evidence.tear_down_failed, evidence.not_torn_down
    found = [f"{count(failed, 'request')} or steps of the tear-down failed"] if failed else []
    found += [f"{count(missed, 'user was', 'users were')} not torn down in time"] if missed else []
    if found:
        yield Reason(
            "tear_down",
            "note",
            f"{', and '.join(found)}: the service may still have data of this load",
            "see the phase teardown in the result",
        )


def _no_cpu_left(evidence: ValidityInput) -> Iterable[Reason]:
    """A generator that barely keeps up: its times are right, but it may limit the throughput.

    The share of the CPU in the moments of a run without a request means nothing.
    """
    if evidence.requests and _busy(evidence) and not list(_late(evidence)):
        yield Reason(
            "generator_busy",
            "note",
            f"a process of the generator was busy {evidence.cpu_share:.0%} of the time, but not "
            "late: if users wait for responses, it limits the throughput, not the service",
            "use more processes (-n) to measure the throughput",
        )


def _dropped(evidence: ValidityInput) -> Iterable[Reason]:
    share = evidence.dropped / ((evidence.requests + evidence.dropped) or 1)
    if share:
        is_known = evidence.end_reason or evidence.is_down
        yield Reason(
            "dropped_work",
            "invalid" if share > DROPPED_LIMIT and not is_known else "note",
            f"{evidence.dropped} arrivals ({share:.1%}) found no free user and were dropped"
            f"{_whatever_the_delays(evidence)}",
            "use more users, or a lower rate",
        )


def _lost(evidence: ValidityInput) -> Iterable[Reason]:
    if not evidence.lost:
        return
    missing = evidence.unsent + sum(lost.samples_estimate for lost in evidence.lost)
    share = missing / ((evidence.requests + missing) or 1)
    for lost in evidence.lost:
        yield Reason(
            "lost_worker",
            "invalid" if share > LOST_LIMIT else "note",
            f"process {lost.process} was lost ({lost.reason}) with an "
            f"estimated {count(lost.samples_estimate, 'sample')}, and about"
            f" {count(evidence.unsent, 'request')} of "
            f"its share were not sent: {share:.0%} of the load is missing",
            "find out why it exited: memory (dmesg) or a signal",
        )


def _shared_accounts(evidence: ValidityInput) -> Iterable[Reason]:
    if 0 < evidence.accounts < evidence.users:
        yield Reason(
            "single_account" if evidence.accounts == 1 else "shared_accounts",
            "note",
            f"{count(evidence.users, 'user shares', 'users share')}"
            f" {count(evidence.accounts, 'account')}: per-user limits trigger "
            "earlier, caches are unrealistically warm, and isolation is not tested",
            "create an account for each user",
        )


def _connections(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.is_http1_instead:
        text = "HTTP/2 was asked for, but the service does not offer it: this is HTTP/1.1"
        yield Reason("http1_instead", "note", text)
    if evidence.insecure:
        yield Reason(
            "insecure",
            "note",
            "certificates were not checked (insecure): who answered is not known for sure",
            "name the authority to trust: --ca-file FILE, or ca_file in [http] of straingauge.toml",
        )


def _idle(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.idle:
        yield Reason(
            "idle_processes",
            "note",
            f"{evidence.idle} of"
            f" {count(evidence.idle + evidence.processes, 'process', 'processes')} are idle: more "
            "processes than cores or users would only disturb the measurement",
        )


def _few_samples(evidence: ValidityInput) -> Iterable[Reason]:
    if 0 < evidence.requests < ENOUGH_FOR_P99:
        yield Reason(
            "few_samples",
            "note",
            f"p99 needs {count(ENOUGH_FOR_P99, 'sample')} for its confidence interval, and this"
            " run has"
            f" {evidence.requests}",
            "send more requests to measure p99",
        )


def _stragglers(evidence: ValidityInput) -> Iterable[Reason]:
    found = evidence.throughput
    if found.longest_s > STRAGGLER_SHARE * found.duration_s:
        yield Reason(
            "stragglers",
            "note",
            f"{found.stragglers:,} of {count(evidence.requests, 'request')} ended after the"
            " schedule, the last"
            f" one {plain(found.longest_s, 3)} s after it: they do not count in the throughput",
        )


def _not_observed(evidence: ValidityInput) -> Iterable[Reason]:
    for what in evidence.unavailable:
        yield Reason("not_observed", "note", what)


def _many_endpoints(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.endpoint_limit:
        yield Reason(
            "many_endpoints",
            "note",
            f"more than {evidence.endpoint_limit} endpoint names: all further ones are counted "
            "together as 'other'; give requests with ids in their URL one name (name=...)",
            'user.get(f"/items/{id}", name="GET /items/{id}")',
        )


def _no_keep_alive(evidence: ValidityInput) -> Iterable[Reason]:
    if evidence.closing_server:
        yield Reason(
            "no_keep_alive",
            "note",
            f"{evidence.closing_server} closes the connection after each response: the response"
            " times include the time to connect",
        )


_RULES: Sequence[Rule] = (
    _setup_failed,
    _interrupted,
    _ended,
    _changed,
    _no_data,
    _rate_limited,
    _out_of_sockets,
    _late,
    _blocking_call,
    _few_threads,
    _tear_down,
    _no_cpu_left,
    _dropped,
    _lost,
    _shared_accounts,
    _idle,
    _connections,
    _few_samples,
    _stragglers,
    _many_endpoints,
    _no_keep_alive,
    _not_observed,
)
