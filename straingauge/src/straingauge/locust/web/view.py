"""What the page shows of a run: a result made small, with its figures in words."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from straingauge.diagnosis import first_failure
from straingauge.locust.web.charts import charts
from straingauge.locust.web.resources import inside
from straingauge.report import text
from straingauge.report.format import number
from straingauge.verdict import GRADES

Result = Mapping[str, Any]

MOST_ENDPOINTS: Final = 200  # a table that a browser draws twice a second
MOST_CAUSES: Final = 4
MOST_ERRORS: Final = 12
NOT_JUDGED: Final = "not judged"
_RANKS: Final = {grade: rank for rank, grade in enumerate((NOT_JUDGED, *GRADES))}


def view(result: Result) -> dict[str, Any]:
    """The page's data of one run, so far or whole.

    Args:
        result: As it stands in a result file, with verdict and diagnosis.
    """
    endpoints = [
        {"name": name, **_judged(_demands(result, name)), **_figures(figures)}
        for name, figures in result["endpoints"].items()
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
            "demands": _demands(result, ""),
        },
        "reasons": result["validity"]["reasons"],
        "total": _figures(result["metrics"]),
        "endpoints": endpoints[:MOST_ENDPOINTS],
        "endpoints_left_out": max(0, len(endpoints) - MOST_ENDPOINTS),
        "errors": text.error_lines(result)[:MOST_ERRORS],
        "diagnosis": _diagnosis(result),
        "inside": inside(result["resources"]),
        "unseen": (result["resources"]["database"] or {}).get("unavailable", []),
        "charts": charts(result),
    }


def _figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Of one endpoint, or of all together."""
    timing = metrics["server_timing"]
    parts = timing["parts"] if timing else {}
    return {
        "requests": metrics["total_requests"],
        "per_s": round(metrics["throughput_rps"], 1),
        "error_percent": round(metrics["error_rate_percent"], 2),
        "rate_limited": metrics["rate_limited"],
        "response_ms": _percentiles(metrics["latency_ms"]),
        "service_ms": _percentiles(metrics["service_time_ms"]),
        "parts": [
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


def _demands(result: Result, endpoint: str) -> list[dict[str, str]]:
    """What was demanded of an endpoint, or of the whole run, and what came of it."""
    return [
        {"grade": entry["grade"], "text": entry["message"].removeprefix(endpoint).strip()}
        for entry in result["verdict"]["findings"]
        if entry["endpoint"] == endpoint
    ]


def _judged(demands: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    grades = [demand["grade"] for demand in demands]
    worst = max(grades, key=_RANKS.__getitem__, default=NOT_JUDGED)
    return {"grade": worst, "demands": demands}


def _diagnosis(result: Result) -> dict[str, Any]:
    """What broke first, and what accounts for it; causes that nobody asks for are left out."""
    first = first_failure([result])
    least = text.LIKELY if first else text.CERTAIN
    causes = [cause for cause in result["diagnosis"] if cause["confidence"] >= least]
    return {
        "first": first and {"message": first.message, "at_s": first.at_s},
        "causes": [
            {
                "title": cause["title"],
                "sure_percent": round(100 * cause["confidence"]),
                "evidence": [
                    each for each in cause["evidence"] if not first or each != first.message
                ][: text.EVIDENCE],
                "advice": cause["advice"][: text.ADVICE],
            }
            for cause in causes[:MOST_CAUSES]
        ],
    }
