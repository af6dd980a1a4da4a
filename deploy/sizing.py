# ruff: noqa: INP001 - a standalone script
"""Compute the number of Locust workers: `python deploy/sizing.py RESULT --rate REQUESTS_PER_S`.

RESULT is the result file of a run of the same mix on the same type of machine, at any rate. The CPU
time per request in that run, including logins, gives the request rate that one core can generate.
"""

import argparse
import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MAX_UTILIZATION = 0.7
"""CPU utilization per worker above which requests are sent late and response times are wrong."""

MIN_CPU_PERCENT = 5.0
"""CPU usage per process below which its fixed cost dominates, so the estimate is unreliable."""


def rate_per_core(result: Mapping[str, Any]) -> float:
    """Return the requests/s that one core of the load generator can send.

    Raises:
        ValueError: The file is not a result of a load test, or its generator was nearly idle.
    """
    try:
        processes = result["resources"]["generator"]["processes"].values()
        sent = sum(process["sent"] for process in processes)
        cpu_percent = sum(process["cpu_percent"] for process in processes)
        duration_s = result["metrics"]["duration_s"]
    except (KeyError, TypeError, AttributeError):
        raise ValueError("not a result of a load test") from None
    if not sent or not duration_s or cpu_percent < MIN_CPU_PERCENT * len(processes):
        raise ValueError(
            f"{sent} requests used {cpu_percent:.1f} % of a core, which is too little for an"
            " estimate: use more users"
        )
    return sent / duration_s / (cpu_percent / 100)


def worker_count(rate_rps: float, rate_per_core_rps: float) -> int:
    """Return the number of workers, with one core each, for a request rate."""
    return math.ceil(rate_rps / (rate_per_core_rps * MAX_UTILIZATION))


def main() -> None:
    """Run the command line interface."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] + ".")
    parser.add_argument("result", type=Path, help="result file of a load test")
    parser.add_argument("--rate", type=float, required=True, help="target rate in requests/s")
    options = parser.parse_args()
    try:
        rps = rate_per_core(json.loads(options.result.read_text()))
    except (OSError, ValueError) as error:
        sys.exit(f"{options.result}: {error}")
    count = worker_count(options.rate, rps)
    sys.stdout.write(
        f"{rps:.0f} requests/s per core of the load generator, measured in {options.result.name}.\n"
        f"{options.rate:g} requests/s at {MAX_UTILIZATION:.0%} CPU per worker: WORKERS={count}\n"
    )


if __name__ == "__main__":
    main()
