"""Scenarios and tags of a run, as lines of text and as rows of the page's table."""

from collections.abc import Iterator, Mapping
from typing import Any

from straingauge.number_text import count, number, percent, rate
from straingauge.report.text import PERCENTILES, Result, percentile


def scenario_lines(result: Result) -> Iterator[tuple[str, str]]:
    """Yield the label ("scenario" or "tag") and a line for each scenario and tag."""
    for name, each in result.get("scenarios", {}).items():
        yield "scenario", f"{name}: {_traffic(each)}{_schedule(each)}"
    for name, each in result.get("tags", {}).items():
        yield "tag", f"{name}: {_traffic(each)} ({', '.join(each['scenarios'])})"


def scenario_rows(result: Result) -> list[dict[str, str]]:
    """Return the rows of the page's table: each scenario, followed by its endpoints; then tags."""
    rows = []
    for name, each in result.get("scenarios", {}).items():
        rows.append(_row(name, "all endpoints", each) | _kept(each))
        rows += [_row(name, endpoint, own) for endpoint, own in each["endpoints"].items()]
    rows += [
        _row(f"tag {name}", ", ".join(each["scenarios"]), each)
        for name, each in result.get("tags", {}).items()
    ]
    return rows


def _row(name: str, endpoint: str, figures: Mapping[str, Any]) -> dict[str, str]:
    return {
        "scenario": name,
        "endpoint": endpoint,
        "requests": f"{figures['total_requests']:,}",
        "rate": number(figures["throughput_rps"]),
        "errors": percent(figures["error_rate_percent"]),
        **{key: percentile(figures["latency_ms"], key) for key in PERCENTILES},
        "start": "",
        "late": "",
    }


def _kept(scenario: Mapping[str, Any]) -> dict[str, str]:
    """Return how a scenario kept its schedule."""
    dropped = f", {scenario['dropped']:,} dropped" if scenario["dropped"] else ""
    return {
        "start": f"{scenario['start_s']:g}",
        "late": f"{number(scenario['start_delay_p99_ms'])}{dropped}",
    }


def _traffic(figures: Mapping[str, Any]) -> str:
    times = ", ".join(
        f"{name} {percentile(figures['latency_ms'], name)} ms" for name in PERCENTILES
    )
    return (
        f"{count(figures['total_requests'], 'request')}, {rate(figures['throughput_rps'])}, "
        f"{percent(figures['error_rate_percent'])} errors, {times}"
    )


def _schedule(scenario: Mapping[str, Any]) -> str:
    parts = [f"from {scenario['start_s']:g} s on"] if scenario["start_s"] else []
    if scenario["dropped"]:
        parts.append(f"{scenario['dropped']:,} arrivals dropped")
    if not scenario["valid"]:
        parts.append("INVALID: its schedule was not kept")
    return f" ({', '.join(parts)})" if parts else ""
