"""Run the load tests with `pytest` or `locust` in a separate process, as a user does."""

import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

PERFORMANCE = Path(__file__).resolve().parent.parent
BACKEND = PERFORMANCE.parent.parent


LOCUST_RUNS = {
    "mixed": "--users 40 --spawn-rate 40 --run-time 20s",
    "uploads": "--tags upload --users 10 --spawn-rate 10 --run-time 8s",
    "rate_limit": "--tags rate_limit --users 12 --spawn-rate 12 --run-time 12s",
    "db_pool": "--tags db_pool --users 60 --spawn-rate 60 --run-time 10s",
}
"""Locust runs that together cover all of `load_test.py`, with their options."""


def run_load_tests(
    tests: Collection[str],
    url: str,
    results: Path,
    *,
    options: Sequence[str] = (),
    folder: Path = PERFORMANCE,
    command_prefix: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Run load tests against a service; return the exit code and the output.

    Args:
        tests: Names without `test_`; empty for all.
        url: URL of the service.
        results: Folder for the result files.
        options: Additional options of pytest.
        folder: Folder of the load tests.
        command_prefix: Arguments to put before the command.
        env: Additional environment variables.
    """
    file = folder / "pytest_load_test.py"
    node_ids = [f"{file}::test_{test}" for test in tests] or [str(file)]
    process = subprocess.run(
        [
            *command_prefix,
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *node_ids),
            *("--load-host", url, "--load-results", str(results), *options),
        ],
        cwd=BACKEND,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


def run_locust(url: str, results: Path, *, env: Mapping[str, str] | None = None) -> str:
    """Run each of `LOCUST_RUNS` against a service; return the output.

    Args:
        url: URL of the service.
        results: Folder for the result files, in a subfolder for each run.
        env: Additional environment variables.
    """
    outputs = []
    for name, options in LOCUST_RUNS.items():
        process = subprocess.run(
            [
                *(sys.executable, "-m", "locust", "-f", str(PERFORMANCE / "load_test.py")),
                *("--headless", "--only-summary", "--stop-timeout", "20", "--host", url),
                *("--load-results", str(results / name), *options.split()),
            ],
            cwd=BACKEND,
            env=os.environ | (env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        outputs.append(process.stdout + process.stderr)
    return "\n".join(outputs)
