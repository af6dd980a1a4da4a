"""Answers that are none: error statuses, broken connections, wrong content."""

from straingauge.diagnosis.cause import Cause, CauseId, Rules, make_cause
from straingauge.diagnosis.result_view import ResultView, number

BROKEN = ("reset", "refused", "tls")
ANSWERED_WRONG = ("bad_status", "timeout")
CONTENT = ("failed_check", "short_body", "protocol", "journey_error")


def endpoint_errors(facts: ResultView) -> Cause | None:
    """Speaks when requests are answered with a status that was not expected, or not in time."""
    return _errors(facts, "endpoint_errors", ANSWERED_WRONG)


def connection_resets(facts: ResultView) -> Cause | None:
    """Speaks when connections break before an answer: the service or something before it did so.

    The generator sends again, on a new connection, what met a connection closed while idle; what
    is left are connections that broke while a request was under way.
    """
    return _errors(facts, "connection_resets", BROKEN)


def wrong_content(facts: ResultView) -> Cause | None:
    """Speaks when the status is as expected and the body is not: the check that failed says how."""
    return _errors(facts, "wrong_content", CONTENT)


RULES: Rules = {
    "endpoint_errors": endpoint_errors,
    "connection_resets": connection_resets,
    "wrong_content": wrong_content,
}


def _errors(facts: ResultView, cause: CauseId, kinds: tuple[str, ...]) -> Cause | None:
    """As sure as these kinds are the greater part of all errors."""
    count = sum(facts.errors.get(kind, 0) for kind in kinds)
    if not count:
        return None
    share = count / sum(facts.errors.values())
    evidence = [
        f"{count:.0f} of {facts.requests:.0f} requests: {_listed(facts, kinds)}",
        *_where(facts, kinds),
    ]
    rows = [row for row in facts.examples if row.get("kind") in kinds]
    details = dict.fromkeys(str(row.get("detail")) for row in rows)
    evidence += [f"such as: {detail}" for detail in list(details)[:1]]
    return make_cause(cause, 0.4 + 0.4 * share, tuple(evidence), facts.request_ids(rows))


def _listed(facts: ResultView, kinds: tuple[str, ...]) -> str:
    found = {kind: facts.errors[kind] for kind in kinds if kind in facts.errors}
    return ", ".join(f"{count:.0f} x {kind}" for kind, count in found.items())


def _where(facts: ResultView, kinds: tuple[str, ...]) -> list[str]:
    """The endpoints with the most of them, by their own requests."""
    shares = {}
    for name, each in facts.endpoints.items():
        count = sum(number(each, "errors", "kinds", kind) or 0 for kind in kinds)
        requests = number(each, "total_requests") or 0
        if count and requests:
            shares[name] = count / requests
    most = sorted(shares, key=lambda name: -shares[name])[:3]
    listed = ", ".join(f"{name} ({shares[name]:.1%})" for name in most)
    return [f"most at {listed}"] if most else []
