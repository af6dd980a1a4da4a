"""The network between the load generator and the service."""

from collections.abc import Sequence
from itertools import pairwise

from straingauge.diagnosis.cause import Evidence, cause, scale
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import plain

# A segment that is sent again delays its request by 200 ms or more (RFC 6298; Linux's shortest
# timeout), so one in a hundred requests is the 99th percentile.
NOTABLE, CERTAIN = 0.002, 0.01
# A server whose accept queue is full drops a request that comes with a new connection; Linux sends
# it again about this often within 10 s (200 ms, doubled each time).
AGAIN_AT_MOST = 6
UNANSWERED_S = 1.0


@cause(
    title="the network between the load generator and the service loses packets",
    topics=("errors", "speed"),
    explains=(
        "connection_resets",
        "endpoint_errors",
        "freeze",
        "slow_endpoint",
        "slow_start",
        "slow_tail",
        "slowing_down",
        "unreachable",
    ),
    charts=("errors-seen", "rate", "heat"),
    advice=(
        "look at the path between both machines: cables, Wi-Fi, VPN, load balancers and firewalls"
        " (full state tables), and the errors and drops of each interface (ip -s link)",
        "a service whose machine is suspended, restarts or has lost its network looks the same;"
        " measure from a machine next to the service to tell",
    ),
)
def packets_lost(result: ResultView) -> Evidence | None:
    """Detect data that this machine had to send again, to a service on another machine.

    The kernel of the service's machine acknowledges data although the service is slow, blocked or
    stopped. So what is not acknowledged was lost, on its way or on that of the acknowledgement.
    """
    again = result.samples("segments_retransmitted")
    if not again or not result.requests:
        return None
    count = again[-1][1] - again[0][1]
    per_request = count / result.requests
    if per_request < NOTABLE:
        return None
    confidence = 0.9 * scale(per_request, NOTABLE, CERTAIN)
    sent = result.samples("segments_sent")
    total = sent[-1][1] - sent[0][1] if sent else 0.0
    sentences = [
        f"{count:,.0f} of the {total:,.0f} TCP segments that this machine sent were not"
        " acknowledged"
        f" in time and sent again: {plain(100 * per_request, 3)} for 100 requests"
    ]
    silence = _longest_silence(result)
    if silence is not None:
        sentences.append(
            f"from {silence[0]:,.0f} s to {silence[1]:,.0f} s of the load, no request was answered"
        )
    elif count <= AGAIN_AT_MOST * _connections(result):
        confidence = min(confidence, 0.6)
        sentences.append("new connections that the service did not accept in time may add to it")
    return Evidence(confidence, tuple(sentences))


def _longest_silence(result: ResultView) -> tuple[float, float] | None:
    """Return the longest time in which all requests failed, between two with responses."""
    rows = result.rows("intervals")
    answered = [
        n
        for n, row in enumerate(rows)
        if (number(row, "requests") or 0.0) > (number(row, "errors") or 0.0)
    ]
    starts_s = [number(row, "start_s") or 0.0 for row in rows]
    silences = list(_between(answered, starts_s))
    longest = max(silences, key=lambda each: each[1] - each[0], default=(0.0, 0.0))
    return longest if longest[1] - longest[0] >= UNANSWERED_S else None


def _between(answered: Sequence[int], starts_s: Sequence[float]) -> list[tuple[float, float]]:
    pairs = pairwise(answered)
    return [(starts_s[one + 1], starts_s[other]) for one, other in pairs if other > one + 1]


def _connections(result: ResultView) -> float:
    processes = result.table("resources", "generator", "processes")
    return sum(number(processes, each, "connections") or 0.0 for each in processes)
