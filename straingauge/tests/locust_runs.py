"""Runs of Locust in separate folders and processes, since Locust patches its process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

THRESHOLDS = """
[all]
error_rate_percent = { target = 1, warning = 5, critical = 10 }
"""


@dataclass
class Run:
    """A run of Locust; complete once it has ended.

    Attributes:
        path: Its folder.
        output: Its output.
        code: Its exit code.
    """

    path: Path
    output: str = ""
    code: int | None = None

    @property
    def result(self) -> dict[str, Any]:
        """The result file."""
        (file,) = (self.path / "results").iterdir()
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    @property
    def processes(self) -> dict[str, dict[str, Any]]:
        """Generator metrics of each process with users, in the result."""
        found: dict[str, dict[str, Any]] = self.result["resources"]["generator"]["processes"]
        return found

    @property
    def loop_lag_ms(self) -> float:
        """Largest loop lag of its processes, in the result."""
        return max(1.0, *(float(part["loop_lag_p99_ms"]) for part in self.processes.values()))


@contextmanager
def locust(path: Path, locustfile: str, url: str, *options: str) -> Iterator[Run]:
    """Run Locust during the block, and wait at its end until it exits."""
    path.mkdir()
    (path / "locustfile.py").write_text(locustfile)
    (path / "thresholds.toml").write_text(THRESHOLDS)
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--host", url]
    with subprocess.Popen(
        [*command, "--stop-timeout", "60", *options],
        cwd=path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as running:
        run = Run(path)
        try:
            yield run
            run.output, _ = running.communicate(timeout=180)
            run.code = running.returncode
        finally:
            with suppress(ProcessLookupError):  # workers may outlive a master that failed
                os.killpg(running.pid, signal.SIGKILL)
