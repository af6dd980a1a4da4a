"""Runs of Locust in a folder of their own; Locust patches its process, so it never is this one."""

import json
import os
import signal
import socket
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
    """A run of Locust; complete when it has ended.

    Attributes:
        path: its folder.
        output: what it has printed.
        code: its exit code.
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
        """What each process with users says of itself."""
        found: dict[str, dict[str, Any]] = self.result["resources"]["generator"]["processes"]
        return found

    @property
    def admitted_ms(self) -> float:
        """How late its own loops were, as it says."""
        return max(1.0, *(part["loop_lag_p99_ms"] for part in self.processes.values()))


@contextmanager
def locust(path: Path, locustfile: str, url: str, *given: str) -> Iterator[Run]:
    """A run beside the block, at whose end it is waited for."""
    path.mkdir()
    (path / "locustfile.py").write_text(locustfile)
    (path / "thresholds.toml").write_text(THRESHOLDS)
    command = [sys.executable, "-m", "locust", "--headless", "--only-summary", "--host", url]
    with subprocess.Popen(
        [*command, "--stop-timeout", "60", *given],
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
            with suppress(ProcessLookupError):  # workers outlive a master that fell
                os.killpg(running.pid, signal.SIGKILL)


def workers(number: int) -> list[str]:
    """The options for so many workers, who meet at a port that nobody else has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    meet = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    return ["--processes", str(number), *meet]
