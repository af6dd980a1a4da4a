"""The load tests as an engineer runs them: `pytest`, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

PERFORMANCE = Path(__file__).resolve().parent.parent
BACKEND = PERFORMANCE.parent.parent


def run_load_tests(
    tests: Collection[str], url: str, results: Path, *, folder: Path = PERFORMANCE, **given: str
) -> tuple[int, str]:
    """Run load tests against a service; gives the exit code and what was printed.

    Args:
        tests: Their names, without `test_`; none: all of them.
        url: Where the service is.
        results: Where the result files go.
        folder: The load tests, or a copy of them.
        given: Added to the environment.
    """
    file = folder / "pytest_load_test.py"
    named = [f"{file}::test_{test}" for test in tests] or [str(file)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *named),
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
