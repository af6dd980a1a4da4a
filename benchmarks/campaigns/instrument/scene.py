"""One load on a small service, and what is left of it."""

import json
import math
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil
from campaigns.instrument.judgement import Trial
from campaigns.instrument.programs import DURATION_S, STRAINGAUGE, marked, write_files
from campaigns.instrument.server import Server, answered_ns

from straingauge import StraingaugeError, read_result

UNDER_WAY = 30
"""Responses after which the load counts as running."""
MOMENT_S = (1.0, DURATION_S - 2)
"""The disturbance comes at a random moment of this time after that."""
START_S, END_S = 120.0, 60.0
LEFT_S = 15.0
"""Time in which all processes of an ended program must have ended."""
STOPPED_S = 5.0
POLL_S = 0.02


class Scene:
    """A service, and one program that sends load to it. Use as a context manager.

    Args:
        folder: A folder for all files.
        chance: The random moment, and the random victim.
        address: Address of the service.
    """

    program: "subprocess.Popen[bytes]"

    def __init__(
        self,
        folder: Path,
        chance: random.Random,
        address: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.chance = chance
        self._marker = f"{os.getpid()}-{time.monotonic_ns()}"
        self._elsewhere = folder / "elsewhere"
        self._elsewhere.mkdir()
        variables = {"STRAINGAUGE_TRIAL": self._marker, "TMPDIR": str(self._elsewhere)}
        self._environment = os.environ | variables
        self._log, self._output = folder / "answered", folder / "output.txt"
        self.server = Server(self._log, address)
        write_files(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in marked(self._marker):
            with suppress(psutil.Error):
                process.kill()
        self.server.close()

    def start(self, command: Sequence[str]) -> None:
        """Start the program, and wait until its load is running."""
        with self._output.open("wb") as output:
            self.program = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + START_S
        while len(answered_ns(self._log)) < UNDER_WAY:
            if self.program.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"the load did not start: {self._output.read_text()[-500:]}")
            time.sleep(POLL_S)

    def disturb(self, trial: Trial, strike: Callable[["Scene"], None]) -> None:
        """Disturb it at a random moment, and collect what is left after its end."""
        time.sleep(self.chance.uniform(*MOMENT_S))
        trial.struck_ns = time.monotonic_ns()
        strike(self)
        with suppress(subprocess.TimeoutExpired):
            self.program.wait(END_S)
            trial.ended_s = (time.monotonic_ns() - trial.struck_ns) / 1e9
        trial.orphans = self._orphans()
        trial.output = self._output.read_text(errors="replace")
        trial.answered_ns = answered_ns(self._log)
        self._read_results(trial)

    def signal(
        self,
        process: "psutil.Process | subprocess.Popen[Any]",
        number: signal.Signals,
        stopped_s: float = STOPPED_S,
    ) -> None:
        """Send a signal; a stopped process goes on after some seconds, or never if infinite."""
        process.send_signal(number)
        if number == signal.SIGSTOP and math.isfinite(stopped_s):
            time.sleep(stopped_s)
            process.send_signal(signal.SIGCONT)

    def _orphans(self) -> list[str]:
        """Return the command lines of processes that outlive the program."""
        deadline_s = time.monotonic() + LEFT_S
        while left := marked(self._marker):
            if time.monotonic() > deadline_s:
                break
            time.sleep(0.1)
        return [_command(process) for process in left]

    def _read_results(self, trial: Trial) -> None:
        """Read all results, as the product does, and show them with `straingauge report`."""
        folders = (self.folder / "results", *self._elsewhere.glob("straingauge_results_*"))
        files = sorted(file for folder in folders for file in folder.rglob("*.json"))
        for file in files:
            if file.name.startswith("summary_"):
                continue
            is_part = file.name.startswith("metrics_worker")
            try:
                (trial.parts if is_part else trial.results).append(read(file))
            except (StraingaugeError, ValueError) as error:
                trial.unreadable.append(f"{file.name}: {error}")
                continue
            shown = subprocess.run(
                [STRAINGAUGE, "report", str(file)],
                cwd=self.folder,
                capture_output=True,
                text=True,
                check=False,
            )
            trial.output += shown.stdout + shown.stderr
            if shown.returncode > 1:
                trial.unreadable.append(shown.stderr)


def read(file: Path) -> dict[str, Any]:
    """Read a result, or of another file what this campaign judges, as a result has it."""
    found: dict[str, Any] = json.loads(file.read_text())
    if "schema_version" in found:
        return {**read_result(file)}
    stopped = found["stopped_early"]
    reasons = [{"reason": "interrupted", "message": stopped}] if stopped else []
    both = (each for variants in found.get("endpoints", {}).values() for each in variants.values())
    requests = sum(each["requests"] - each["errors"] for each in both)
    return {
        "status_codes": {"200": requests},
        "errors": {"kinds": {}},
        "validity": {"reasons": reasons},
    }


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:120]
    except psutil.Error:
        return str(process.pid)
