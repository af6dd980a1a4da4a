# ruff: noqa: INP001 - a script that stands alone
"""How many Locust workers a load takes: `python deploy/sizing.py RESULT --rate REQUESTS_PER_S`.

RESULT is the file of any run of the same mix on the same kind of machine, at whatever rate. What a
request cost the generator there, log-ins and all, tells how many one core can send.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BUSY = 0.7
"""Of a worker's core: beyond that it begins to be late, and a late generator measures itself."""

WORTH_PERCENT = 5.0
"""Below so much of a core nearly all of it is the process itself, and little the requests."""


def per_core(result: Mapping[str, Any]) -> float:
    """Requests/s that one whole core of the generator would have sent.

    Raises:
        ValueError: The run kept its generator too idle to tell, or is no result of a load.
    """
    try:
        parts = result["resources"]["generator"]["processes"].values()
        sent = sum(part["sent"] for part in parts)
        busy = sum(part["cpu_percent"] for part in parts)
        duration_s = result["metrics"]["duration_s"]
    except (KeyError, TypeError, AttributeError):
        raise ValueError("this is no result of a load") from None
    if not sent or not duration_s or busy < WORTH_PERCENT * len(parts):
        raise ValueError(
            f"{sent} requests took {busy:.1f} % of a core, too little to tell: use more users"
        )
    return sent / duration_s / (busy / 100)


def workers(rate: float, per_core_rps: float) -> int:
    """Workers, each a process with a core of its own, that send so many requests each second."""
    return math.ceil(rate / (per_core_rps * BUSY))


def main() -> None:
    """Read the command line, and say how many."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("result", type=Path, help="a result file")
    parser.add_argument("--rate", type=float, required=True, help="requests/s that are wanted")
    given = parser.parse_args()
    try:
        rps = per_core(json.loads(given.result.read_text()))
    except (OSError, ValueError) as error:
        sys.exit(f"{given.result}: {error}")
    count = workers(given.rate, rps)
    sys.stdout.write(
        f"{rps:.0f} requests/s by one core of the generator, measured in {given.result.name};\n"
        f"{given.rate:g} requests/s take {count} worker(s), each {BUSY:.0%} busy: WORKERS={count}\n"
    )


if __name__ == "__main__":
    main()
