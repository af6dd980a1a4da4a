"""The data of the live page, reduced from a result, with values as text."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from straingauge.diagnosis import first_failure
from straingauge.live_view.charts import charts
from straingauge.live_view.resources import resource_groups
from straingauge.report import text
from straingauge.report.format import number
from straingauge.verdict import GRADES

Result = Mapping[str, Any]

MAX_ENDPOINTS: Final = 200  # the browser redraws the table every 2 s
MAX_CAUSES: Final = 4
MAX_ERRORS: Final = 12
NOT_JUDGED: Final = "not judged"
_RANKS: Final = {grade: rank for rank, grade in enumerate((NOT_JUDGED, *GRADES))}


def view(result: Result) -> dict[str, Any]:
    """Return the page's data of one run.

    Args:
        result: The result of a run in progress or of a finished one, with verdict and diagnosis.
    """
    endpoints = [
        {"name": name, **_judged(_thresholds(result, name)), **_metrics(metrics)}
        for name, metrics in result["endpoints"].items()
    ]
    endpoints.sort(key=lambda each: (-_RANKS[each["grade"]], each["name"]))
    return {
        "run": {
            **{key: result["configuration"].get(key) for key in ("target", "users", "processes")},
            "started_at": result["started_at"],
            "duration_s": round(result["metrics"]["duration_s"], 1),
            "setup_requests": result["phases"].get("setup", {}).get("total_requests", 0),
        },
        "verdict": {
            "grade": text.grade(result),
            "decided_by": text.decided_by(result),
            "thresholds": _thresholds(result, ""),
        },
        "validity": result["validity"]["reasons"],
        "total": _metrics(result["metrics"]),
        "endpoints": endpoints[:MAX_ENDPOINTS],
        "endpoints_omitted": max(0, len(endpoints) - MAX_ENDPOINTS),
        "errors": text.error_lines(result)[:MAX_ERRORS],
        "diagnosis": _diagnosis(result),
        "resources": resource_groups(result["resources"]),
        "unavailable": (result["resources"]["database"] or {}).get("unavailable", []),
        "charts": charts(result),
    }


def _metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of one endpoint, or of the whole run."""
    timing = metrics["server_timing"]
    parts = timing["parts"] if timing else {}
    return {
        "requests": metrics["total_requests"],
        "per_s": round(metrics["throughput_rps"], 1),
        "error_percent": round(metrics["error_rate_percent"], 2),
        "rate_limited": metrics["rate_limited"],
        "response_ms": _percentiles(metrics["latency_ms"]),
        "service_ms": _percentiles(metrics["service_time_ms"]),
        "server_timing": [
            {
                "name": name,
                "share": part["share"],
                "share_slowest": part["share_slowest"],
                "p50_ms": number(part["p50_ms"]),
                "p95_ms": number(part["p95_ms"]),
            }
            for name, part in parts.items()
        ],
    }


def _percentiles(times_ms: Mapping[str, Any]) -> dict[str, str]:
    return {name: text.percentile(times_ms, name) for name in ("p50", "p95", "p99")}


def _thresholds(result: Result, endpoint: str) -> list[dict[str, str]]:
    """Return the thresholds of an endpoint, or of the whole run, with their grades."""
    return [
        {"grade": entry["grade"], "text": entry["message"].removeprefix(endpoint).strip()}
        for entry in result["verdict"]["findings"]
        if entry["endpoint"] == endpoint
    ]


def _judged(thresholds: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    grades = [threshold["grade"] for threshold in thresholds]
    worst = max(grades, key=_RANKS.__getitem__, default=NOT_JUDGED)
    return {"grade": worst, "thresholds": thresholds}


def _diagnosis(result: Result) -> dict[str, Any]:
    """Return what failed first and its likely causes; improbable causes are omitted."""
    first = first_failure([result])
    min_confidence = text.LIKELY if first else text.CERTAIN
    causes = [cause for cause in result["diagnosis"] if cause["confidence"] >= min_confidence]
    return {
        "first": first and {"message": first.message, "at_s": first.at_s},
        "causes": [
            {
                "title": cause["title"],
                "confidence_percent": round(100 * cause["confidence"]),
                "evidence": [
                    each for each in cause["evidence"] if not first or each != first.message
                ][: text.EVIDENCE],
                "advice": cause["advice"][: text.ADVICE],
            }
            for cause in causes[:MAX_CAUSES]
        ],
    }
