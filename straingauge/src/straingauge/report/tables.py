"""Tables of the page, each as rows of text with its columns."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from straingauge.number_text import number, percent, share
from straingauge.report.grades import RUN_GRADES
from straingauge.report.parts import ordered, part_styles
from straingauge.report.text import PERCENTILES, Result, decided_by, grade, percentile

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: Of the value in a row.
        title: Its heading.
        kind: "text", "number", "numbers" (several in a cell), "code" or "grade".
    """

    key: str
    title: str
    kind: str = "text"


def _numbers(**titles: str) -> tuple[Column, ...]:
    return tuple(Column(key, title, "number") for key, title in titles.items())


COLUMNS: Final[Mapping[str, Sequence[Column]]] = {
    "thresholds": (
        Column("grade", "verdict", "grade"),
        Column("message", "finding"),
        Column("where", "of"),
    ),
    "scenarios": (
        Column("scenario", "scenario"),
        Column("endpoint", "endpoint"),
        *_numbers(requests="requests", rate="req/s", errors="errors"),
        *_numbers(p50="p50 ms", p95="p95 ms", p99="p99 ms", start="start, s", late="late p99, ms"),
    ),
    "transactions": (
        Column("name", "transaction"),
        *_numbers(completed="completed", failed="failed", abandoned="abandoned", errors="errors"),
        *_numbers(p50="p50 ms", p95="p95 ms", p99="p99 ms", with_pauses="p95 ms with pauses"),
    ),
    "slowest": (
        Column("start_s", "at s", "number"),
        Column("endpoint", "endpoint"),
        *_numbers(status="status", response="response ms", service="service ms"),
        Column("parts", "parts, ms"),
        Column("request_id", "request id"),
    ),
    "streams": (
        Column("endpoint", "endpoint"),
        *_numbers(streams="streams", events="events", per_stream="events each"),
        Column("first_event", "first event", "numbers"),
        Column("gap", "gap", "numbers"),
        Column("first_token", "first token", "numbers"),
        Column("token_gap", "inter-token latency", "numbers"),
        Column("duration", "duration", "numbers"),
        *_numbers(stalls="stalls"),
        Column("ended", "ended by"),
    ),
    "websockets": (
        Column("endpoint", "endpoint"),
        *_numbers(websockets="WebSockets", sent="sent", received="received", dropped="dropped"),
        Column("bytes", "bytes sent / received", "numbers"),
        *_numbers(pings="pings"),
        Column("duration", "open, s: p50 / max", "numbers"),
        Column("codes", "closed with"),
    ),
    "profile": (
        *_numbers(own="innermost", total="in all"),
        Column("code", "line", "code"),
        Column("thread", "thread"),
    ),
    "stalls": (
        *_numbers(at="at s", silent="without response, ms"),
        Column("lines", "lines", "code"),
    ),
    "traced_statements": (
        Column("endpoint", "endpoint"),
        *_numbers(per_request="per request", avg="mean ms", share="of the time"),
        Column("parent", "within"),
        Column("query", "statement", "code"),
    ),
    "traced_calls": (
        Column("endpoint", "endpoint"),
        Column("host", "calls"),
        *_numbers(per_request="per request", avg="mean ms", max="slowest ms", errors="errors"),
        *_numbers(share="of the time"),
    ),
    "waits": (Column("event", "event"), *_numbers(share="share", peak="most at once")),
    "blocked": (Column("waiting", "waiting", "code"), Column("blocking", "blocked by", "code")),
    "statements": (
        *_numbers(
            share="of all time",
            calls="calls",
            per_request="per request",
            mean="mean ms",
            rows="rows",
        ),
        Column("query", "statement", "code"),
    ),
    "tables": (
        Column("table", "table"),
        *_numbers(
            rows="rows",
            seq_scans="sequential scans",
            rows_per_seq_scan="rows each",
            index_scans="index scans",
            inserted="inserted",
            updated="updated",
            deleted="deleted",
        ),
    ),
}


def verdict_row(result: Result) -> Row:
    """A run in the table of verdicts."""
    metrics = result["metrics"]
    return {
        "grade": grade(result),
        "requests": f"{metrics['total_requests']:,}",
        "rate": number(metrics["throughput_rps"]),
        "decided": decided_by(result, most=2),
        "passed": _counted(result),
        "bullet": _bullet(result),
        **_cells(metrics),
    }


def threshold_rows(result: Result) -> list[Row]:
    """All findings of a run's verdict, worst first."""
    entries = result.get("verdict", {}).get("findings", [])
    rows = [
        {
            "grade": entry["grade"],
            "where": entry.get("endpoint") or "the whole run",
            "message": entry["message"],
        }
        for entry in entries
    ]
    return sorted(rows, key=lambda row: RUN_GRADES.index(row["grade"]))


def _counted(result: Result) -> str:
    """The number of findings of each grade, worst first."""
    grades = Counter(entry["grade"] for entry in result.get("verdict", {}).get("findings", []))
    words = {"target": "passed", "no_data": "without data"}
    counted = [f"{grades[each]} {words.get(each, each)}" for each in RUN_GRADES if grades[each]]
    return ", ".join(counted) or "none"


def endpoint_rows(result: Result) -> list[Row]:
    """All endpoints together, then each."""
    named = [("", result["metrics"]), *result["endpoints"].items()]
    styles = part_styles(result)
    return [
        {
            "name": name,
            "requests": f"{figures['total_requests']:,}",
            "parts": _parts(figures.get("server_timing"), styles),
            **_cells(figures),
        }
        for name, figures in named
    ]


def slowest_rows(result: Result) -> list[Row]:
    """The slowest requests, each with the id that finds it in the service's log."""
    return [
        {
            "start_s": f"{each['start_s']:.2f}",
            "endpoint": each["endpoint"],
            "status": each["status"] or "none",
            "response": number(each["response_ms"]),
            "service": number(each["service_ms"]),
            "parts": ", ".join(f"{k} {number(v)}" for k, v in (each["parts_ms"] or {}).items()),
            "request_id": each["request_id"],
        }
        for each in result["metrics"].get("slowest") or []
    ]


def _cells(metrics: Mapping[str, Any]) -> Row:
    latency = metrics["latency_ms"]
    percentiles = {name: percentile(latency, name) for name in PERCENTILES}
    return {"errors": percent(metrics["error_rate_percent"]), **percentiles}


def _parts(timing: Mapping[str, Any] | None, styles: Mapping[str, str]) -> Sequence[Row]:
    """The Server-Timing parts in the order and colours of the charts."""
    parts = (timing or {}).get("parts", {})
    return [
        {
            "name": name,
            "style": styles[name],
            "p50": number(parts[name]["p50_ms"]),
            "p95": number(parts[name]["p95_ms"]),
            **{
                key: {"value": parts[name][key], "text": share(parts[name][key])}
                for key in ("share", "share_slowest")
            },
        }
        for name in ordered(parts)
    ]


def _bullet(result: Result) -> Row | None:
    """Return the distance to the tightest latency threshold, as positions in percent of a bar."""
    entries = result.get("verdict", {}).get("findings", [])
    thresholds = [
        (entry["value"] / entry["threshold"]["critical"], entry)
        for entry in entries
        if entry["rule"].endswith("_ms")
        and entry.get("threshold")
        and entry.get("value") is not None
        if entry["threshold"]["critical"]
    ]
    if not thresholds:
        return None
    _, tightest = max(thresholds, key=lambda pair: pair[0])
    limits, value = tightest["threshold"], tightest["value"]
    end = limits["critical"] * 1.2
    bounds = [0, *(limits[name] for name in ("target", "warning", "critical")), end]
    at = [round(100 * bound / end, 2) for bound in bounds]
    name = tightest["rule"].removesuffix("_ms").replace("_", " ")
    return {
        "name": f"{name} {number(value)} of {limits['critical']:g} ms",
        "words": f"{tightest.get('where') or ''} {name} {number(value, 'ms')}; target "
        f"{limits['target']:g}, warning from {limits['warning']:g}, critical from "
        f"{limits['critical']:g} ms".strip(),
        "value": round(min(98.0, 100 * value / end), 2),
        "zones": [
            {"grade": zone, "from": at[n], "width": round(at[n + 1] - at[n], 2)}
            for n, zone in enumerate(("target", "acceptable", "warning", "critical"))
        ],
    }
