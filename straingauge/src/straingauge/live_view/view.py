"""The data of the live page, reduced from a result, with values as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from straingauge.diagnosis import first_failure
from straingauge.live_view.charts import charts
from straingauge.live_view.resources import resource_groups
from straingauge.number_text import count, number, share
from straingauge.report import tables, text
from straingauge.report.grades import RUN_GRADES, look, words
from straingauge.report.locations import place
from straingauge.verdict import GRADES

Result = Mapping[str, Any]

MAX_ENDPOINTS: Final = 200  # the browser redraws the table every 2 s
MAX_CAUSES: Final = 4
MAX_ERRORS: Final = 12
NOT_JUDGED: Final = "not_judged"
LOOKS: Final = {
    grade: {"meaning": look(grade).meaning, "mark": look(grade).mark, "words": words(grade)}
    for grade in RUN_GRADES
}
_RANKS: Final = {grade: rank for rank, grade in enumerate((NOT_JUDGED, *GRADES))}


def view(result: Result) -> dict[str, Any]:
    """Return the page's data of one run.

    Args:
        result: The result of a run in progress or of a finished one, with verdict and diagnosis.
    """
    total, *endpoints = tables.endpoint_rows(result)
    rows = [_endpoint(result, row) for row in endpoints]
    rows.sort(key=lambda each: (-_RANKS[each["grade"]], each["name"]))
    return {
        "looks": LOOKS,
        "run": {
            **{key: result["configuration"].get(key) for key in ("target", "users", "processes")},
            "started_at": result["started_at"],
            "duration_s": round(result["metrics"]["duration_s"], 1),
            "requests": result["metrics"]["total_requests"],
            "setup_requests": count(
                result["phases"].get("setup", {}).get("total_requests", 0), "log-in request"
            ),
        },
        "verdict": {
            "grade": text.grade(result),
            "decided_by": text.decided_by(result),
            "thresholds": _thresholds(result, ""),
        },
        "validity": result["validity"]["reasons"],
        "tiles": [*_tiles(result["metrics"], total)],
        "parts": total["parts"],
        "endpoints": rows[:MAX_ENDPOINTS],
        "endpoints_omitted": max(0, len(rows) - MAX_ENDPOINTS),
        "errors": text.error_lines(result)[:MAX_ERRORS],
        "diagnosis": _diagnosis(result),
        "resources": resource_groups(result["resources"]),
        "unavailable": (result["resources"]["database"] or {}).get("unavailable", []),
        **charts(result),
    }


def _tiles(metrics: Mapping[str, Any], row: tables.Row) -> Iterator[tuple[str, str, str]]:
    """Yield the name, value and unit of the most important metrics of a run."""
    yield "requests", row["requests"], ""
    yield "throughput", number(metrics["throughput_rps"]), "/s"
    yield "errors", row["errors"], ""
    if metrics["rate_limited"]:
        yield "rate limited", f"{metrics['rate_limited']:,}", ""
    for name in text.PERCENTILES:
        yield f"response time {name}", row[name], "ms"
    yield "service time p95", text.percentile(metrics["service_time_ms"], "p95"), "ms"


def _endpoint(result: Result, row: tables.Row) -> dict[str, Any]:
    """Return an endpoint's row of the report's table, with more columns and its grade."""
    metrics = result["endpoints"][row["name"]]
    limited = metrics["rate_limited"]
    return {
        **row,
        **_judged(_thresholds(result, row["name"])),
        "rate": number(metrics["throughput_rps"]),
        "has_errors": metrics["error_rate_percent"] > 0,
        "rate_limited": f"{limited:,} rate limited" if limited else "",
        "service": {
            name: text.percentile(metrics["service_time_ms"], name) for name in text.PERCENTILES
        },
    }


def _thresholds(result: Result, endpoint: str) -> list[dict[str, str]]:
    """Return the thresholds of an endpoint, or of the whole run, with their grades."""
    return [
        {"grade": entry["grade"], "text": entry["message"].removeprefix(f"{endpoint}: ")}
        for entry in result["verdict"]["findings"]
        if entry["endpoint"] == endpoint
    ]


def _judged(thresholds: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    grades = [threshold["grade"] for threshold in thresholds]
    worst = max(grades, key=_RANKS.__getitem__, default=NOT_JUDGED)
    return {"grade": worst, "thresholds": thresholds}


def _diagnosis(result: Result) -> dict[str, Any]:
    """Return what broke first and its likely causes; improbable causes are omitted."""
    first = first_failure([result])
    failed = text.grade(result) not in text.PASSED
    min_confidence = text.LIKELY if failed else text.CERTAIN
    causes = [cause for cause in result["diagnosis"] if cause["confidence"] >= min_confidence]
    return {
        "first": first and {"opening": first.opening, "message": first.message, "at_s": first.at_s},
        "causes": [
            {
                "title": cause["title"],
                "confidence": share(cause["confidence"]),
                "is_certain": cause["confidence"] >= text.CERTAIN,
                "evidence": [
                    each for each in cause["evidence"] if not first or each != first.message
                ][: text.EVIDENCE],
                "advice": cause["advice"][: text.ADVICE],
                "where": [line for each in cause.get("where", ()) if (line := place(each))],
            }
            for cause in causes[:MAX_CAUSES]
        ],
    }
