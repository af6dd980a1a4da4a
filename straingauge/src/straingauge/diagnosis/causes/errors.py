"""Failed requests: error statuses, broken connections, wrong content."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.raised_exceptions import with_exceptions
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.number_text import count

# Of streams and WebSockets, and of HTTP/2, too.
BROKEN = ("reset", "early_close", "closed", "goaway", "stream_reset", "stream_refused")
NOT_OPENED = ("refused", "connect_timeout", "no_socket", "unreachable")
NOT_LISTENING = {"refused", "no_socket"}
IDLE_CLOSED = "idle_closed"
ERROR_RESPONSE = ("bad_status", "timeout", "first_byte_timeout", "redirect")
SERVER_ERROR = 500
CONTENT = ("failed_check", "short_body", "protocol", "too_large")
CERTIFICATES = (
    "certificate_expired",
    "certificate_untrusted",
    "certificate_name",
    "client_certificate",
)

ENDED_ADVICE = (
    "the address is right, since other requests were answered: look for why the service ended or"
    " restarted: its exit code and log, and dmesg (out of memory)"
)
_UPSTREAM = (
    "status {} comes from a proxy, or a service that calls another one: look at the server behind"
    " it, and at the timeouts in between"
)
STATUS_ADVICE = {
    3: "status 3xx leads elsewhere: to a page for the log-in if credentials are missing, else to"
    " another scheme, host or path (a slash at its end): request that one, or follow redirects",
    4: "status 4xx rejects the request itself: compare what the journey sends with the example; its"
    " data may be invalid, used twice, or refer to rows that are gone",
    502: _UPSTREAM.format(502),
    504: _UPSTREAM.format(504),
}
"""Advice by status, or by its class."""


@cause(
    title="requests fail with an error status or a timeout",
    topics=("errors",),
    charts=("errors", "errors-seen"),
    advice=(
        "read the service's log at these times; then check the pool, the database's limits, and the"
        " machine's memory and open files",
    ),
)
def endpoint_errors(result: ResultView) -> Evidence | None:
    """Detect responses with an unexpected status, and timeouts.

    Which side is to look at follows from the status: 4xx blames the request, 502 and 504 a server
    behind the service (RFC 9110, section 15). A service responds with 5xx to an exception.
    """
    evidence = _errors(result, ERROR_RESPONSE)
    if evidence is None:
        return None
    codes = result.table("status_codes")
    failed = sum(number(codes, code) or 0.0 for code in codes if code[:1] == "5")
    evidence = with_exceptions(result, evidence, failed, lambda status: status >= SERVER_ERROR)
    status = _most_frequent_status(result)
    if status is None:
        return evidence
    advice = STATUS_ADVICE.get(status) or STATUS_ADVICE.get(status // 100)
    return replace(evidence, advice=(*evidence.advice, *([advice] if advice else [])))


def _most_frequent_status(result: ResultView) -> int | None:
    """Return the unexpected status that most responses have, if errors have any."""
    seen = {
        status
        for row in result.examples
        if row.get("kind") == "bad_status" and isinstance(status := row.get("status"), int)
    }
    codes = result.table("status_codes")
    return max(seen, key=lambda status: number(codes, str(status)) or 0.0, default=None)


@cause(
    title="connections break before the response",
    topics=("errors",),
    charts=("errors", "errors-seen"),
    advice=(
        "look for workers that crash or are killed (exit codes, dmesg), for timeouts of the server"
        " or a proxy that are shorter than the request, and for a full accept queue",
    ),
)
def connection_resets(result: ResultView) -> Evidence | None:
    """Detect connections that break while a request is in flight.

    A request that met a connection closed while idle is sent again on a new one, and does not
    count; one that may not be sent again counts here only if no idle connection was closed. Servers
    close the connection if an exception is raised after the start of a response, or at any time.
    """
    evidence = _errors(result, BROKEN if _closed_idle(result) else (*BROKEN, IDLE_CLOSED))
    broken = sum(result.errors.get(kind, 0.0) for kind in BROKEN)
    return evidence and with_exceptions(result, evidence, broken, lambda status: not status)


@cause(
    title="no connection to the service can be opened",
    topics=("errors",),
    explains=("slow_endpoint", "slow_tail"),
    charts=("errors", "errors-seen"),
    advice=(
        "refused: nothing listens at this address: check host and port, that the service runs, and"
        " that it listens on this address (127.0.0.1, ::1 or all)",
        "no connection in time, or no route: look for a firewall, a network that is down, a wrong"
        " address, or a full accept queue (more workers, a longer backlog)",
    ),
)
def unreachable(result: ResultView) -> Evidence | None:
    """Detect connections that are refused or not accepted in time, so that nothing was sent.

    A service that answered other requests has the right address: it ended or restarted.
    """
    evidence = _errors(result, NOT_OPENED)
    rows = result.rows("intervals")
    answered = [i for i, row in enumerate(rows) if _succeeded(row)]
    if evidence is None or not answered or not result.errors.keys() & NOT_LISTENING:
        return evidence
    sentences = [*evidence.sentences]
    if after := rows[answered[-1] + 1 :]:
        start_s = number(after[0], "start_s") or 0.0
        sentences.insert(
            1, f"the service answered at first, and no request from {start_s:,.0f} s on"
        )
    return replace(evidence, sentences=tuple(sentences), advice=(ENDED_ADVICE, *evidence.advice))


def _succeeded(interval: Mapping[str, Any]) -> bool:
    return (number(interval, "requests") or 0.0) > (number(interval, "errors") or 0.0)


@cause(
    title="the proxy does not pass requests on",
    topics=("errors",),
    charts=("errors", "errors-seen"),
    advice=(
        "check the address of the proxy, its log, and what it demands: the service has seen none of"
        " these requests",
    ),
)
def proxy_failure(result: ResultView) -> Evidence | None:
    """Detect errors of the proxy in between, such as status 407 (RFC 9110, section 15.5.8)."""
    return _errors(result, ("proxy",))


@cause(
    title="the service closes idle connections just as requests are sent",
    topics=("errors",),
    warns_from=0.85,  # a few such errors pass a threshold, and each is a request that a user lost
    charts=("errors", "errors-seen"),
    advice=(
        "set the server's keep-alive timeout above the longest pause of its clients, or of the"
        " proxy in front of it (uvicorn --timeout-keep-alive, gunicorn --keep-alive, Node's"
        " keepAliveTimeout)",
        "clients lose such a request unless they may send it again: let them close idle connections"
        " before the server does",
    ),
)
def idle_connections_closed(result: ResultView) -> Evidence | None:
    """Detect requests that crossed the end of their idle connection (RFC 9112, section 9.5).

    A service that breaks connections under load also breaks those that were not idle, and does not
    close connections without a request.
    """
    evidence = _errors(result, (IDLE_CLOSED,))
    if evidence is None:
        return None
    closed = _closed_idle(result)
    if not closed:
        unseen = "but it closed no idle connection without a request, so it may have failed"
        return Evidence(0.45, (*evidence.sentences, unseen), evidence.advice)
    seen = f"the service closed {closed:,.0f} more idle connections before a request was sent"
    return Evidence(evidence.confidence + 0.1, (*evidence.sentences, seen), evidence.advice)


def _closed_idle(result: ResultView) -> float:
    """Return how many connections the service closed without a request in flight."""
    processes = result.table("resources", "generator", "processes")
    names = ("closed_idle", "reconnects")
    return sum(number(processes, each, name) or 0 for each in processes for name in names)


@cause(
    title="the TLS handshake fails",
    topics=("errors",),
    charts=("errors", "errors-seen"),
    advice=(
        "check the scheme of the base URL: `https` at a port that serves plain HTTP fails in this"
        " way; otherwise check the certificate's name, issuer and dates",
    ),
)
def tls_failure(result: ResultView) -> Evidence | None:
    """Detect connections that are refused by TLS before a request was sent."""
    return _errors(result, ("tls", *CERTIFICATES))


@cause(
    title="the service does not speak HTTP/2",
    topics=("errors",),
    charts=("errors", "errors-seen"),
    advice=(
        "leave out --http2-prior-knowledge (http2 in straingauge.toml): --http2 falls back to"
        " HTTP/1.1 if an https service does not offer HTTP/2",
        "to measure HTTP/2, enable it in the server, or name the port that speaks it",
    ),
)
def http2_not_spoken(result: ResultView) -> Evidence | None:
    """Detect servers that respond in another protocol though HTTP/2 is demanded."""
    return _errors(result, ("no_http2",))


@cause(
    title="responses have the wrong content",
    topics=("errors",),
    explains=("altered_writes",),
    charts=("errors", "errors-seen"),
    advice=(
        "look at the service's error handling: a failure must have a status of 4xx or 5xx, and a"
        " body must be complete before it is sent",
    ),
)
def wrong_content(result: ResultView) -> Evidence | None:
    """Detect responses with the expected status whose body fails a check."""
    return _errors(result, CONTENT)


def _errors(result: ResultView, kinds: tuple[str, ...]) -> Evidence | None:
    """Return evidence as confident as these kinds' share of all errors."""
    failed = sum(result.errors.get(kind, 0) for kind in kinds)
    if not failed:
        return None
    share = failed / sum(result.errors.values())
    evidence = [
        f"{failed:,.0f} of {count(result.requests, 'request')}: {_counts(result, kinds)}",
        *_endpoints(result, kinds),
    ]
    rows = [row for row in result.examples if row.get("kind") in kinds]
    details = dict.fromkeys(str(row.get("detail")) for row in rows)
    evidence += [f"for example: {detail}" for detail in list(details)[:1]]
    return Evidence(0.4 + 0.4 * share, tuple(evidence), result.request_ids(rows))


def _counts(result: ResultView, kinds: tuple[str, ...]) -> str:
    found = {kind: result.errors[kind] for kind in kinds if kind in result.errors}
    return ", ".join(f"{amount:,.0f} x {kind}" for kind, amount in found.items())


def _endpoints(result: ResultView, kinds: tuple[str, ...]) -> list[str]:
    """Return a sentence with the three endpoints of the highest error rate."""
    shares = {}
    for name, each in result.endpoints.items():
        failed = sum(number(each, "errors", "kinds", kind) or 0 for kind in kinds)
        requests = number(each, "total_requests") or 0
        if failed and requests:
            shares[name] = failed / requests
    most = sorted(shares, key=lambda name: -shares[name])[:3]
    listed = ", ".join(f"{name} ({shares[name]:.1%})" for name in most)
    return [f"most often {listed}"] if most else []
