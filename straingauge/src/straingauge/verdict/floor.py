"""The floor: demands on every run, with or without thresholds.

A run whose requests fail is never fine. Thresholds may set other limits for the metrics of the
floor, but leaving them out does not switch it off.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from straingauge.number_text import count
from straingauge.result.format.result import Grade
from straingauge.verdict.grade import Threshold
from straingauge.verdict.thresholds import ByMetric

FLOOR: Final[ByMetric] = {
    # One error in a hundred is more than any usual availability target allows (99 % to 99.99 %);
    # one in twenty is an outage for most users, who send more than one request.
    "error_rate_percent": Threshold(target=0, warning=1, critical=5, higher_is_better=False),
    # An exception is a fault of the load test: what it measured is not what was meant.
    "journey_errors": Threshold(target=0, warning=1, critical=1, higher_is_better=False),
}

# If half of the requests succeeded, five failures in a row would have a probability of 3 % (0.5^5):
# from five failures on, most requests fail with a confidence of 95 %.
ENOUGH_FAILURES: Final = 5

Failing = tuple[str, Grade, str]
"""An endpoint without a successful request ("" for the whole run), the grade, and the message."""


def without_success(result: Mapping[str, Any]) -> Iterable[Failing]:
    """Yield the run if none of its requests succeeded, otherwise each such endpoint.

    Rate-limited requests did not succeed either, but without any other failure they are a matter
    of the run's validity.

    Args:
        result: The content of a result file; the verdict may be missing.
    """
    metrics = result["metrics"]
    if failures := _failures(metrics, result["errors"]["kinds"]):
        yield "", "critical", f"none of {count(metrics['total_requests'], 'request')} succeeded"
        return
    for name, endpoint in result["endpoints"].items():
        if failures := _failures(endpoint, endpoint["errors"]["kinds"]):
            grade: Grade = "critical" if failures >= ENOUGH_FAILURES else "warning"
            total = endpoint["total_requests"]
            yield name, grade, f"{name}: none of {count(total, 'request')} succeeded"


def _failures(metrics: Mapping[str, Any], kinds: Mapping[str, int]) -> int:
    """Return the number of failed requests if no request succeeded, otherwise 0."""
    failed = sum(count for kind, count in kinds.items() if kind != "journey_error")
    return failed if failed + metrics["rate_limited"] >= metrics["total_requests"] else 0
