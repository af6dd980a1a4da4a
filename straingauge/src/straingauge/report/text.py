"""Sentences about a run or a session, the same in every report."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, Final

from straingauge.diagnosis import FirstFailure, diagnose_session, first_failure
from straingauge.number_text import count, number, percent, rate, share
from straingauge.report.feeders import feeder_lines
from straingauge.report.locations import one_line, place, place_lines
from straingauge.result.format.result import SessionCause
from straingauge.verdict.judge import SPEED_NOT_JUDGED

Result = Mapping[str, Any]
Found = Sequence[tuple[Result, Path | None]]
"""Results, each with its file; None where there is none."""

PERCENTILES: Final = ("p50", "p95", "p99")
CERTAIN: Final = 0.5  # confidence from which a cause is shown though nothing failed
LIKELY: Final = 0.3  # confidence from which a cause is shown
EVIDENCE, ADVICE, OTHERS = 3, 3, 3  # sentences, sentences, and causes after the first
_REMARKED: Final = ("acceptable", "warning", "critical", "no_data")
PASSED: Final = ("target", "acceptable", "not_judged")
FAILING_GRADES: Final = ("warning", "critical", "no_data")
UNEXPLAINED: Final = "no rule explains it; see the service's log at that time"
_SHORT: Final = 100  # characters


def diagnosis(results: Sequence[Result]) -> list[str]:
    """Return what broke first in a session, why, and how to fix it; empty if nothing did."""
    first, causes = first_failure(results), shown_causes(results)
    if not first and not causes:
        return []
    lines = [""]
    if first:
        lines.append(f"{first.opening}: {first_sentence(first)}")
    if not causes:
        return lines if _passed(results) else [*lines, f"Why: {UNEXPLAINED}"]
    why, *others = causes
    new = [each for each in why["evidence"] if first is None or each != first.message]
    lines.append(": ".join(filter(None, ("Why", _named(why), "; ".join(new[:EVIDENCE])))))
    lines += place_lines(why)
    lines.append(f"Fix: {'; '.join(why['advice'][:ADVICE])}")
    lines += [
        f"Also: {_named(cause)}: {'; '.join((cause['evidence'][0], *_first_place(cause)))}"
        for cause in others[:OTHERS]
    ]
    if len(others) > OTHERS:
        lines.append(f"and {len(others) - OTHERS} more in the result files, under diagnosis")
    return lines


def shown_causes(results: Sequence[Result]) -> list[SessionCause]:
    """Return the causes of a session that are likely enough to be shown.

    The first is the most certain cause in the test that broke first; in the session it need not be
    that. The others follow by confidence. A missed target breaks nothing, so its cause must be more
    likely.
    """
    least = CERTAIN if _passed(results) else LIKELY
    causes = [cause for cause in diagnose_session(results) if cause["confidence"] >= least]
    first = first_failure(results)
    found = (cause for cause in causes if first and first.test in cause["tests"])
    why = next(found, None)
    return causes if why is None else [why, *(each for each in causes if each is not why)]


def first_sentence(first: FirstFailure) -> str:
    """Return what failed first, in which test, and when."""
    when = "" if first.at_s is None else f", {first.at_s:,.0f} s after its start"
    return f"{first.message} ({first.test}{when})"


def summary_line(result: Result) -> str:
    """A run in one line."""
    metrics = result["metrics"]
    return (
        f"{result['name']}: {count(metrics['total_requests'], 'request')}, "
        f"{rate(metrics['throughput_rps'])}, {percent(metrics['error_rate_percent'])} errors, "
        f"p95 {number(metrics['latency_ms']['p95'], 'ms')}"
    )


def invalid_reason(result: Result) -> str:
    """Return why no conclusion can be drawn from this run."""
    return "INVALID: " + "; ".join(reason["message"] for reason in _invalidating(result))


def advice(result: Result) -> str | None:
    """Return how to make the run valid; None if there is no advice."""
    return "; ".join(r["advice"] for r in _invalidating(result) if r["advice"]) or None


def error_lines(result: Result) -> list[str]:
    """Return a line for each endpoint and kind of error: their number, and the first example."""
    lines = []
    for endpoint, figures in result["endpoints"].items():
        errors = figures["errors"]
        for kind, amount in errors["kinds"].items():
            details = (each["detail"] for each in errors["examples"] if each["kind"] == kind)
            lines.append(f"{endpoint}: {amount:,} x {kind}, e.g. {next(details, 'not kept')}")
    return lines


def grade(result: Result) -> str:
    """The verdict's grade; "not_judged" if there is none."""
    found = result.get("verdict", {}).get("grade")
    return str(found or "not_judged")


def decided_by(result: Result, *, most: int | None = None) -> str:
    """The worst findings of the verdict, or how many thresholds passed.

    Args:
        result: With its verdict.
        most: Number of findings shown, each in one line; the rest is counted. None: all, in full.
    """
    if grade(result) == "invalid":
        return "; ".join(reason["reason"].replace("_", " ") for reason in _invalidating(result))
    entries = result.get("verdict", {}).get("findings", [])
    if grade(result) == "not_judged":
        return SPEED_NOT_JUDGED if entries else ""
    if grade(result) == "target":
        return f"{count(len(entries), 'threshold')} passed" if entries else ""
    found = [entry["message"] for entry in entries if entry["grade"] == grade(result)]
    if most is None:
        return "; ".join(found)
    lines = [shorten(message, _SHORT, placeholder=" ...") for message in found[:most]]
    return "; ".join([*lines, *([f"and {len(found) - most} more"] if len(found) > most else [])])


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding about one run or several.

    Attributes:
        kind: "acceptable", "warning", "critical", "no_data", "errors"; of validity "invalid" or
            "note".
        tests: Names of the runs; "all" if it is about each of several.
        message: A sentence with its numbers.
    """

    kind: str
    tests: str
    message: str


def remarks(results: Sequence[Result]) -> Iterator[Remark]:
    """Warnings, errors and notes of all runs; once where several runs share one."""
    runs: dict[tuple[str, str], list[str]] = {}
    for result in results:
        entries = result.get("verdict", {}).get("findings", [])
        for entry in entries if grade(result) != "invalid" else ():
            if entry["grade"] in _REMARKED:
                runs.setdefault((entry["grade"], entry["message"]), []).append(result["name"])
        for line in error_lines(result):
            runs.setdefault(("errors", line), []).append(result["name"])
        if grade(result) == "not_judged" and entries:
            runs.setdefault(("note", SPEED_NOT_JUDGED), []).append(result["name"])
        for line in feeder_lines(result):
            runs.setdefault(("note", line), []).append(result["name"])
        for reason in result["validity"]["reasons"]:
            runs.setdefault((reason["severity"], reason["message"]), []).append(result["name"])
    for (kind, message), names in runs.items():
        yield Remark(kind, "all" if len(names) == len(results) > 1 else ", ".join(names), message)


def percentile(latency: Mapping[str, Any], name: str) -> str:
    """A percentile in ms; with a tilde if there are too few samples for a confidence interval."""
    value = latency[name]
    is_rough = latency.get("confidence_intervals", {}).get(name, {}).get("low") is None
    return f"~{number(value)}" if is_rough and value is not None else number(value)


def _named(cause: Mapping[str, Any]) -> str:
    tests = ", ".join(cause["tests"])
    return f"{cause['title']} ({share(cause['confidence'])} sure, in {tests})"


def _passed(results: Sequence[Result]) -> bool:
    return all(grade(result) in PASSED for result in results)


def _first_place(cause: Mapping[str, Any]) -> Iterator[str]:
    """Yield a cause's first place, unless it is a statement that the evidence has already."""
    for location in cause.get("where", ())[:1]:
        statement = one_line(location.get("statement") or "")
        is_repeated = bool(statement) and statement in cause["evidence"][0]
        if not is_repeated and (text := place(location)):
            yield text


def _invalidating(result: Result) -> list[Mapping[str, str]]:
    reasons: list[Mapping[str, str]] = result["validity"]["reasons"]
    return [reason for reason in reasons if reason["severity"] == "invalid"]
