"""The properties of a load test in a JUnit file."""

from straingauge.runner import Outcome


def junit_properties(end: Outcome) -> list[tuple[str, object]]:
    """Return the properties of a load test for a JUnit file."""
    metrics = end.result["metrics"]
    return [
        ("grade", end.verdict.grade),
        ("requests", metrics["total_requests"]),
        ("error_rate_percent", metrics["error_rate_percent"]),
        *((f"{name}_ms", metrics["latency_ms"][name]) for name in ("p50", "p95", "p99")),
        ("result_file", str(end.path or "")),
    ]
