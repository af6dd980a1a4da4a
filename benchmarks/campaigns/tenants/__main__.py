"""Ask for the records of another tenant in each operation of TherapyBridge: `make tenants`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import httpx2
from campaigns.record import Campaign, Record, aligned, markdown, say
from campaigns.tenants.isolation import Report, check, lists_of, rows
from campaigns.tenants.records import ROLES, log_in, make_tenant

CAMPAIGN: Final = Campaign(
    name="tenants",
    page="docs/campaigns/tenants.md",
    purpose="Send each request of the OpenAPI document with the identifiers of another tenant, as"
    " each role, and look for what it tells or changes.",
    trials="roles",
    example="--only patient,anonymous",
)
MINUTES: Final = 10.0
PLACES: Final = ("path", "query", "body", "cursor", "no")
WIDTHS: Final = (12, 8, 8, 8, 8, 8, 8)


async def run(url: str, database_url: str, roles: Sequence[str]) -> Report:
    """Make two tenants, and send the requests of each role for the records of each tenant."""
    report = Report()
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        document = (await client.get("/openapi.json")).json()
        bob = await make_tenant(client, database_url, "bob")
        before = await lists_of(client, document, bob.headers)
        ann = await make_tenant(client, database_url, "ann")
        if await lists_of(client, document, bob.headers) != before:
            report.leaks.append("therapist: a list is another one since another tenant has records")
        others = {role: await log_in(client, database_url, "eve", role) for role in roles}
        for owner, other in ((ann, bob), (bob, ann)):
            as_other = {"therapist": other.headers} if "therapist" in others else {}
            await check(client, document, owner, others | as_other, report)
    return report


def as_markdown(results: dict[str, Any]) -> str:
    """Return the table for the documentation."""
    places = ("id in the path", "in the query", "in the body", "cursor", "without")
    rows = (_cells(each) for each in results["roles"])
    return markdown(results, ("requests of", *places, "leaks"), "lrrrrrr", rows)


def _cells(each: dict[str, Any]) -> list[str]:
    numbers = [str(each["requests"].get(place, 0)) for place in PLACES]
    return [each["role"], *numbers, str(each["leaks"])]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign, print the table and write the results."""
    parser = CAMPAIGN.parser(ROLES, times=None, minutes=MINUTES)
    parser.add_argument("url", nargs="?", help=argparse.SUPPRESS)  # from `straingauge serve`
    options = parser.parse_args(arguments)
    if options.list:
        say("\n".join(ROLES))
        return 0
    roles, record = options.only or ROLES, Record()
    limit = asyncio.wait_for(
        run(options.url, os.environ["DATABASE_URL"], roles), 60 * options.minutes
    )
    report = asyncio.run(limit)
    results = record.as_dict(
        roles=list(rows(report, roles)), leaks=report.leaks, void=sorted(set(report.void))
    )
    CAMPAIGN.write(results, as_markdown(results), keep=options.keep)
    say(aligned(("requests of", *PLACES[:-1], "without", "leaks"), WIDTHS))
    for each in results["roles"]:
        say(aligned(_cells(each), WIDTHS))
    for text in (*report.leaks, *(f"shows nothing: {each}" for each in results["void"])):
        say(text)
    return int(bool(report.leaks))


if __name__ == "__main__":
    sys.exit(main())
