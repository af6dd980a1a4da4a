"""What a result says, in words: for every report alike."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from straingauge.diagnosis import diagnose_session, first_failure

Result = Mapping[str, Any]
Found = Sequence[tuple[Result, Path | None]]
"""Results, each with its file; None where there is none."""

_REMARKED = ("warning", "critical", "no_data")
SURE_ENOUGH = 0.5  # to be shown though nothing failed
WORTH_SHOWING = 0.3
SHORT = 100  # characters
EVIDENCE, ADVICE, OTHERS = 3, 3, 3  # sentences, sentences, and causes after the first


def diagnosis(results: Sequence[Result]) -> list[str]:
    """What broke first in a session, why, and what to change; nothing where all is well."""
    first, causes = first_failure(results), diagnose_session(results)
    # Without a warning only what needs no verdict is worth a line: a generator that was late.
    causes = causes if first else [cause for cause in causes if cause["confidence"] >= SURE_ENOUGH]
    if not first and not causes:
        return []
    lines = [""]
    if first:
        when = "" if first.at_s is None else f", {first.at_s:.0f} s after its start"
        lines.append(f"What broke first: {first.message} ({first.test}{when})")
    if not causes:
        return [*lines, "Why: no rule accounts for it; look into the service's log at that time"]
    # The surest of the causes that the test which broke first shows; it need not be the very first.
    shown = (cause for cause in causes if first and first.test in cause["tests"])
    why = next(shown, causes[0])
    others = [cause for cause in causes if cause is not why]
    new = [each for each in why["evidence"] if first is None or each != first.message]
    lines.append(": ".join(filter(None, ("Why", _named(why), "; ".join(new[:EVIDENCE])))))
    lines.append(f"What to change: {'; '.join(why['advice'][:ADVICE])}")
    others = [cause for cause in others if cause["confidence"] >= WORTH_SHOWING]
    lines += [f"Also: {_named(cause)}: {cause['evidence'][0]}" for cause in others[:OTHERS]]
    if len(others) > OTHERS:
        lines.append(f"and {len(others) - OTHERS} more in the result files, under diagnosis")
    return lines


def summary_line(result: Result) -> str:
    """A run's figures in one line."""
    metrics = result["metrics"]
    return (
        f"{result['name']}: {metrics['total_requests']} requests, "
        f"{metrics['throughput_rps']:.0f}/s, {metrics['error_rate_percent']:.2f} % errors, "
        f"p95 {in_ms(metrics['latency_ms']['p95'])} ms"
    )


def invalid_reason(result: Result) -> str:
    """Why nothing may be concluded from this run."""
    return "INVALID: " + "; ".join(reason["message"] for reason in _invalidating(result))


def advice(result: Result) -> str | None:
    """What would make the run valid."""
    return "; ".join(r["advice"] for r in _invalidating(result) if r["advice"]) or None


def errors_seen(result: Result) -> list[str]:
    """The errors in words: how many of each kind, of which endpoint, and the first of them."""
    lines = []
    for endpoint, figures in result["endpoints"].items():
        errors = figures["errors"]
        for kind, count in errors["kinds"].items():
            details = (each["detail"] for each in errors["examples"] if each["kind"] == kind)
            lines.append(f"{endpoint}: {count} x {kind}, such as: {next(details, 'not kept')}")
    return lines


def grade(result: Result) -> str:
    """The verdict's grade, or "not judged"."""
    found = result.get("verdict", {}).get("grade")
    return str(found or "not judged")


def decided_by(result: Result, *, most: int | None = None) -> str:
    """What the verdict rests on: its worst entries, or that all demands are met.

    Args:
        result: With its verdict.
        most: So many entries at most, of one line each, and how many more there are.
    """
    if grade(result) == "invalid":
        return "; ".join(reason["reason"].replace("_", " ") for reason in _invalidating(result))
    entries = result.get("verdict", {}).get("entries", [])
    if grade(result) in ("target", "acceptable", "not judged"):
        return (
            f"{len(entries)} {'demand' if len(entries) == 1 else 'demands'} met" if entries else ""
        )
    found = [entry["message"] for entry in entries if entry["grade"] == grade(result)]
    if most is None:
        return "; ".join(found)
    told = [shorten(message, SHORT, placeholder=" ...") for message in found[:most]]
    return "; ".join([*told, *([f"and {len(found) - most} more"] if len(found) > most else [])])


@dataclass(frozen=True, slots=True)
class Remark:
    """What decided, warned or must be known of one run or of several.

    Attributes:
        kind: "warning", "critical", "no_data", "errors"; of validity "invalid" or "note".
        tests: The runs it is about; "all" where it is about each of several.
        message: In words, with its figures.
    """

    kind: str
    tests: str
    message: str


def remarks(results: Sequence[Result]) -> Iterator[Remark]:
    """Everything worth a line, said once where runs share it."""
    said: dict[tuple[str, str], list[str]] = {}
    for result in results:
        entries = result.get("verdict", {}).get("entries", [])
        for entry in entries if grade(result) != "invalid" else ():
            if entry["grade"] in _REMARKED:
                said.setdefault((entry["grade"], entry["message"]), []).append(result["name"])
        for line in errors_seen(result):
            said.setdefault(("errors", line), []).append(result["name"])
        for reason in result["validity"]["reasons"]:
            said.setdefault((reason["severity"], reason["message"]), []).append(result["name"])
    for (kind, message), names in said.items():
        yield Remark(kind, "all" if len(names) == len(results) > 1 else ", ".join(names), message)


def _named(cause: Mapping[str, Any]) -> str:
    tests = ", ".join(cause["tests"])
    return f"{cause['title']} ({cause['confidence']:.0%} sure, in {tests})"


def percentile(latency: Mapping[str, Any], name: str) -> str:
    """The value; with a tilde where the samples are too few to be sure of it."""
    value = latency[name]
    unsure = latency.get("confidence", {}).get(name, {}).get("low") is None
    return f"~{in_ms(value)}" if unsure and value is not None else in_ms(value)


def _invalidating(result: Result) -> list[Mapping[str, str]]:
    reasons: list[Mapping[str, str]] = result["validity"]["reasons"]
    return [reason for reason in reasons if reason["severity"] == "invalid"]


def in_ms(value: float | None) -> str:
    """Three figures are as many as a measurement has."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
