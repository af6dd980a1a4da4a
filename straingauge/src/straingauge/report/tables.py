"""The page's tables as rows of words: the verdicts, the demands, the endpoints, the slowest."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from straingauge.report.text import Result, decided_by, grade, in_ms, percentile

Row = dict[str, Any]
GRADES: Final = ("invalid", "critical", "no_data", "not judged", "warning", "acceptable", "target")
_PERCENTILES: Final = ("p50", "p95", "p99")


def verdict_row(result: Result) -> Row:
    """A run in the table of verdicts."""
    metrics = result["metrics"]
    return {
        "grade": grade(result),
        "requests": f"{metrics['total_requests']:,}",
        "rate": f"{metrics['throughput_rps']:,.0f}",
        "decided": decided_by(result, most=2),
        "demanded": _demanded(result),
        "bullet": _bullet(result),
        **_figures(metrics),
    }


def demands(result: Result) -> list[Row]:
    """All that was demanded of a run and all that was found, the worst first."""
    entries = result.get("verdict", {}).get("entries", [])
    rows = [
        {
            "grade": entry["grade"],
            "rule": entry["rule"].replace("_", " "),
            "where": entry.get("where") or "the whole run",
            "message": entry["message"],
        }
        for entry in entries
    ]
    return sorted(rows, key=lambda row: GRADES.index(row["grade"]))


def _demanded(result: Result) -> str:
    """How the demands went, by grade, the worst first."""
    grades = Counter(entry["grade"] for entry in result.get("verdict", {}).get("entries", []))
    words = {"target": "met", "no_data": "without data"}
    counted = [f"{grades[each]} {words.get(each, each)}" for each in GRADES if grades[each]]
    return ", ".join(counted) or "nothing"


def endpoint_rows(result: Result) -> list[Row]:
    """All endpoints together, then each."""
    named = [("", result["metrics"]), *result["endpoints"].items()]
    return [
        {
            "name": name,
            "requests": f"{figures['total_requests']:,}",
            "parts": _parts(figures.get("server_timing")),
            **_figures(figures),
        }
        for name, figures in named
    ]


def slowest_rows(result: Result) -> list[Row]:
    """The slowest requests, each with the id that finds it in the service's log."""
    return [
        {
            "t_s": f"{each['t_s']:.2f}",
            "endpoint": each["endpoint"],
            "status": each["status"] or "none",
            "response": in_ms(each["response_ms"]),
            "service": in_ms(each["service_ms"]),
            "parts": ", ".join(f"{k} {in_ms(v)}" for k, v in (each["parts_ms"] or {}).items()),
            "request_id": each["request_id"],
        }
        for each in result["metrics"].get("slowest") or []
    ]


def _figures(figures: Mapping[str, Any]) -> Row:
    latency = figures["latency_ms"]
    percentiles = {name: percentile(latency, name) for name in _PERCENTILES}
    return {"errors": f"{figures['error_rate_percent']:.2f} %", **percentiles}


def _parts(timing: Mapping[str, Any] | None) -> Sequence[Row]:
    """The Server-Timing parts in the charts' order: what the service did not name comes last."""
    parts = (timing or {}).get("parts", {})
    names = sorted(parts, key=lambda name: (name in ("rest", "other"), name))
    return [{"name": name, **parts[name]} for name in names]


def _bullet(result: Result) -> Row | None:
    """How near the tightest latency demand is to being missed: places in percent of a bar."""
    entries = result.get("verdict", {}).get("entries", [])
    demands = [
        (entry["value"] / entry["limits"]["critical"], entry)
        for entry in entries
        if entry["rule"].endswith("_ms") and entry.get("limits") and entry.get("value") is not None
        if entry["limits"]["critical"]
    ]
    if not demands:
        return None
    _, tightest = max(demands, key=lambda pair: pair[0])
    limits, value = tightest["limits"], tightest["value"]
    end = limits["critical"] * 1.2
    bounds = [0, *(limits[name] for name in ("target", "warning", "critical")), end]
    at = [round(100 * bound / end, 2) for bound in bounds]
    name = tightest["rule"].removesuffix("_ms").replace("_", " ")
    return {
        "name": f"{name} {in_ms(value)} of {limits['critical']:g} ms",
        "words": f"{tightest.get('where') or ''} {name} {in_ms(value)} ms; target "
        f"{limits['target']:g}, warning from {limits['warning']:g}, critical from "
        f"{limits['critical']:g} ms".strip(),
        "value": round(min(98.0, 100 * value / end), 2),
        "zones": [
            {"grade": zone, "from": at[n], "width": round(at[n + 1] - at[n], 2)}
            for n, zone in enumerate(("target", "acceptable", "warning", "critical"))
        ],
    }
