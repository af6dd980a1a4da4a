"""Run long loads, and check that what they hold does not grow: `make soak`.

exit codes: 0 all goals met; 1 a goal missed; 2 an argument is wrong.
"""

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from campaigns.record import Campaign, Record, aligned, list_trials, markdown, say
from campaigns.soak.parts import PAGE_S, PARTS, RESULT_BYTES, Outcome, page_s

from straingauge import read_result

CAMPAIGN = Campaign(
    name="soak",
    page="docs/campaigns/soak.md",
    purpose="Run long loads, and check that memory, files, threads and results do not grow.",
    trials="parts",
    example="--minutes 240",
)
MINUTES, LONGEST_MINUTES = 20.0, 60.0
LONG = 4  # parts that run in real time
MB = 1_000_000
COLUMNS = (
    "part",
    "minutes",
    "requests",
    "errors",
    "memory (MB)",
    "files",
    "threads",
    "file",
    "page",
)
WIDTHS = (10, 8, 11, 7, 16, 11, 9, 9, 7)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts, print the table and write the results."""
    parser = CAMPAIGN.parser(PARTS, times=None, minutes=MINUTES)
    options = parser.parse_args(arguments)
    if options.list:
        return list_trials({name: title for name, (title, _) in PARTS.items()})
    record, names = Record(), options.only or list(PARTS)
    duration_s = 60 * min(options.minutes / LONG, LONGEST_MINUTES)
    rows = []
    for name in names:
        title, run = PARTS[name]
        say(f"{name}: {title} ...")
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(name, title, run(Path(folder), duration_s), Path(folder)))
        results = record.as_dict(parts=rows)
        # After each part, so that an interrupted campaign leaves its results.
        CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    say(f"\n{aligned(COLUMNS, WIDTHS)}")
    for each in rows:
        say(aligned(cells(each), WIDTHS))
        for missed in each["missed"]:
            say(f"  missed: {missed}")
    return int(any(each["missed"] for each in rows))


def row(name: str, title: str, outcome: Outcome, folder: Path) -> dict[str, Any]:
    """Return the results of one part, with the goals that it missed."""
    metrics = read_result(outcome.result)["metrics"]
    found = {
        "name": name,
        "title": title,
        "minutes": round(outcome.minutes, 1),
        "requests": metrics["total_requests"],
        "errors": round(metrics["error_rate_percent"] / 100 * metrics["total_requests"]),
        "memory_mb": ends(outcome, "rss_bytes", MB),
        "open_files": ends(outcome, "open_files"),
        "threads": ends(outcome, "threads"),
        "leaks": outcome.leaks,
        "exit_code": outcome.exit_code,
        "result_bytes": outcome.result.stat().st_size,
        "page_s": round(page_s(outcome.result, folder), 2),
    }
    return {**found, "missed": missed_goals(found)}


def ends(outcome: Outcome, key: str, unit: float = 1) -> list[float]:
    """Return the values after the first tenth and at the end; none if it was not observed."""
    values = [each[key] / unit for each in outcome.samples if key in each]
    return [round(values[len(values) // 10], 1), round(values[-1], 1)] if values else []


def missed_goals(found: Mapping[str, Any]) -> list[str]:
    """Return the goals that a part missed, in words."""
    missed = [f"{name} grows: {'; '.join(why)}" for name, why in found["leaks"].items()]
    if found["result_bytes"] >= RESULT_BYTES:
        missed.append(f"the result file has {found['result_bytes']:,} bytes")
    if found["page_s"] > PAGE_S:
        missed.append(f"the report took {found['page_s']:.1f} s")
    if not found["requests"]:
        missed.append("no request was measured")
    return missed


def cells(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns of a part."""
    return (
        found["name"],
        f"{found['minutes']:g}",
        f"{found['requests']:,}",
        f"{found['errors']:,}",
        *(_change(found[key]) for key in ("memory_mb", "open_files", "threads")),
        f"{found['result_bytes'] / MB:.2f} MB",
        f"{found['page_s']:.1f} s",
    )


def as_markdown(results: dict[str, Any]) -> str:
    """Return the table for the documentation."""
    titles = (*COLUMNS[:-2], "result file", COLUMNS[-1], "grows")
    rows = (
        (f"{each['title']} (`{name}`)", *others, ", ".join(each["leaks"]) or "nothing")
        for each in results["parts"]
        for name, *others in [cells(each)]
    )
    return markdown(results, titles, "lrrrrrrrrl", rows)


def _change(pair: Sequence[float]) -> str:
    return f"{pair[0]:g} - {pair[1]:g}" if pair else "-"


if __name__ == "__main__":
    sys.exit(main())
