"""The load tests as an engineer runs them: `pytest` or `locust`, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

PERFORMANCE = Path(__file__).resolve().parent.parent
BACKEND = PERFORMANCE.parent.parent


LOCUST_RUNS = {
    "mixed": "--users 40 --spawn-rate 40 --run-time 20s",
    "uploads": "--tags upload --users 10 --spawn-rate 10 --run-time 8s",
    "rate_limit": "--tags rate_limit --users 12 --spawn-rate 12 --run-time 12s",
    "db_pool": "--tags db_pool --users 60 --spawn-rate 60 --run-time 10s",
}
"""What somebody who looks at all of `load_test.py` starts, one after the other."""


def run_load_tests(
    tests: Collection[str],
    url: str,
    results: Path,
    *,
    folder: Path = PERFORMANCE,
    by: Sequence[str] = (),
    **given: str,
) -> tuple[int, str]:
    """Run load tests against a service; gives the exit code and what was printed.

    Args:
        tests: Their names, without `test_`; none: all of them.
        url: Where the service is.
        results: Where the result files go.
        folder: The load tests, or a copy of them.
        by: The command that runs this one.
        given: Added to the environment.
    """
    file = folder / "pytest_load_test.py"
    named = [f"{file}::test_{test}" for test in tests] or [str(file)]
    done = subprocess.run(
        [
            *(*by, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *named),
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


def run_locust(url: str, results: Path, **given: str) -> str:
    """Run Locust against a service, each of `LOCUST_RUNS` once; gives what was printed.

    Args:
        url: Where the service is.
        results: Each run's result goes into a folder of its name in here.
        given: Added to the environment.
    """
    printed = []
    for name, options in LOCUST_RUNS.items():
        done = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "-f", str(PERFORMANCE / "load_test.py")),
                *("--headless", "--only-summary", "--stop-timeout", "20", "--host", url),
                *("--load-results", str(results / name), *options.split()),
            ],
            cwd=BACKEND,
            env=os.environ | given,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        printed.append(done.stdout + done.stderr)
    return "\n".join(printed)
