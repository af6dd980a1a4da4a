"""Faults of the load test itself: journeys that raise."""

from straingauge.diagnosis.cause import Evidence, cause
from straingauge.diagnosis.result_view import ResultView
from straingauge.number_text import count

KIND = "journey_error"


@cause(
    title="a journey of the load test raises an exception",
    topics=("errors",),
    warns_from=0.9,
    charts=("errors", "errors-seen"),
    advice=(
        "run the journey once and fix the exception; if it comes from an unexpected response, give"
        " the request an `expect` or a `check`, which counts as a failure of the request",
    ),
)
def journey_bug(result: ResultView) -> Evidence | None:
    """Detect exceptions in journeys.

    Python code that raises is a fault of that code, whatever the service responded. If many
    requests failed before it, the exception may be a consequence: a journey that reads a field of
    an error response.
    """
    raised = result.errors.get(KIND, 0)
    if not raised:
        return None
    others = sum(result.errors.values()) - raised
    rows = [row for row in result.examples if row.get("kind") == KIND]
    details = dict.fromkeys(str(row.get("detail")) for row in rows)
    exceptions = count(raised, "exception in a journey", "exceptions in journeys")
    after = (
        f", after {count(result.requests, 'request')}"
        if result.requests
        else "; no request was sent"
    )
    evidence = (f"{exceptions}{after}", *(f"for example: {each}" for each in list(details)[:1]))
    return Evidence(0.95 if raised > others else 0.5, evidence)
