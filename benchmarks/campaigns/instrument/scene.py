"""One load on a small service, and what is left of it."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

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
POLL_S = 0.02


class Scene:
    """A service, and one program that sends load to it. Use as a context manager.

    Args:
        folder: An empty folder for all files.
        chance: The random moment, and the random victim.
        prefix: What the service's command line begins with, such as a namespace.
        address: Address of the service.
    """

    program: "subprocess.Popen[bytes]"

    def __init__(
        self,
        folder: Path,
        chance: random.Random,
        *,
        prefix: Sequence[str] = (),
        address: str = "127.0.0.1",
    ) -> None:
        self.folder = folder
        self.chance = chance
        self._marker = f"{os.getpid()}-{time.monotonic_ns()}"
        self.environment = {**os.environ, "STRAINGAUGE_TRIAL": self._marker}
        self._log, self._output = folder / "answered", folder / "output.txt"
        self.server = Server(self._log, prefix, address)
        write_files(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in marked(self._marker):
            with suppress(psutil.Error):
                process.kill()
        self.server.close()

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start the program, and wait until its load is running."""
        with self._output.open("wb") as output:
            self.program = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environment, **environment},
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

    def signal(self, process: psutil.Process, number: signal.Signals) -> None:
        """Send a signal; a stopped process goes on after 5 s."""
        process.send_signal(number)
        if number == signal.SIGSTOP:
            time.sleep(5.0)
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
        files = sorted((self.folder / "results").rglob("*.json"))
        for file in files:
            if file.name.startswith("summary_"):
                continue
            try:
                trial.results.append({**read_result(file)})
            except StraingaugeError as error:
                trial.unreadable.append(str(error))
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


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:120]
    except psutil.Error:
        return str(process.pid)
