"""Send requests to a running TherapyBridge that try to break it: `make fuzz`."""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import schemathesis
from campaigns.record import Campaign, Record, aligned, list_trials, say
from options import parse_count
from tests.fuzz.inputs import DECODER, DECODER_TITLE, INPUTS, fuzz_decoder, fuzz_input
from tests.fuzz.scene import Scene, prepare
from tests.fuzz.schema import DOCUMENT, ROLES, configure, fuzz, log_in
from tests.fuzz.table import GOALS, TITLES, WIDTHS, as_markdown, input_row, line, schema_row

CAMPAIGN: Final = Campaign(
    name="fuzz",
    page="docs/campaigns/fuzz.md",
    purpose="Send valid and invalid requests to TherapyBridge as each role, and look for responses"
    " that are a 5xx or not in its OpenAPI document.",
    trials="kinds of requests",
    example="--only admin,ranges --examples 20",
)
MINUTES: Final = 30.0
EXAMPLES: Final = 100
OWN_FACTOR: Final = 20
"""Requests of an own kind for each of an operation: a kind covers one to ten operations."""
NAMES: Final = (*INPUTS, DECODER, *ROLES)
"""The quick kinds come first."""


async def _prepare(url: str) -> tuple[dict[str, str | None], Scene]:
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        tokens = await log_in(client, os.environ["DATABASE_URL"])
        return tokens, await prepare(client, urlsplit(url).port or 80)


def rows_of(options: argparse.Namespace, deadline_s: float) -> Iterator[dict[str, Any]]:
    """Yield the results of each kind that begins before the deadline."""
    tokens, scene = asyncio.run(_prepare(options.url))
    seed, own = options.seed, OWN_FACTOR * options.examples
    for name in options.only or NAMES:
        if time.monotonic() >= deadline_s:
            return
        if name in ROLES:
            config = configure(tokens[name], examples=options.examples, seed=seed)
            document = schemathesis.openapi.from_url(options.url + DOCUMENT, config=config)
            yield schema_row(name, fuzz(document, deadline_s))
        elif name == DECODER:
            tally = fuzz_decoder(examples=own, seed=seed, deadline_s=deadline_s)
            yield input_row(name, DECODER_TITLE, tally)
        else:
            each = INPUTS[name]
            tally = fuzz_input(scene, each, examples=own, seed=seed, deadline_s=deadline_s)
            yield input_row(name, each.title, tally)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, print the table and write the results."""
    parser = CAMPAIGN.parser(NAMES, times=None, minutes=MINUTES)
    parser.add_argument("url", nargs="?", help=argparse.SUPPRESS)  # from `straingauge serve`
    parser.add_argument(
        "--examples",
        type=parse_count,
        default=EXAMPLES,
        help="requests of each operation and phase, and a twentieth of those of each other kind"
        " (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.list:
        roles = {name: f"from the document, as {name}" for name in ROLES}
        own = {name: each.title for name, each in INPUTS.items()}
        return list_trials({**own, DECODER: DECODER_TITLE, **roles})
    record, deadline_s = Record(), time.monotonic() + 60 * options.minutes
    rows: list[dict[str, Any]] = []
    say(aligned(TITLES, WIDTHS))
    for row in rows_of(options, deadline_s):
        rows.append(row)
        say(line(row))
        # After each kind, so that an interrupted campaign leaves its results.
        results = record.as_dict(seed=options.seed, examples=options.examples, inputs=rows)
        CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    if time.monotonic() >= deadline_s:
        say(f"ended by the limit of {options.minutes:g} minutes")
    return int(not rows or any(each[goal] for each in rows for goal in GOALS))


if __name__ == "__main__":
    sys.exit(main())
