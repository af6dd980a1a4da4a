"""A load test as an engineer runs it: `pytest`, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from service import BACKEND

PERFORMANCE = BACKEND / "tests" / "performance"


def run_load_tests(
    tests: Collection[str], url: str, results: Path, *, folder: Path = PERFORMANCE, **given: str
) -> tuple[int, str]:
    """Run load tests against a service; gives the exit code and what was printed.

    Args:
        tests: Their names, without `test_`.
        url: Where the service is.
        results: Where the result files go.
        folder: The load tests, or a copy of them.
        given: Added to the environment.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *(f"{folder / 'pytest_load_test.py'}::test_{test}" for test in tests),
            *("--load-host", url, "--load-results", str(results)),
        ],
        cwd=BACKEND,
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
