"""Carries out the `run:` steps of a GitHub workflow here, one after the other, as a runner does."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
LIMIT_S = 1800


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was carried out.

    Attributes:
        name: What the workflow calls it.
        code: Its exit code.
        output: What it printed.
    """

    name: str
    code: int
    output: str


class Workflow:
    """The one job of a workflow file.

    Use as a context manager: what its steps left running ends with it.

    Args:
        file: The workflow.
        checkout: The repository, as `actions/checkout` leaves it.
        temporary: For what a runner keeps beside it.
        values: Of the expressions in it: `${{ name }}`.
        env: Goes before the file's own variables.
    """

    def __init__(
        self,
        file: Path,
        checkout: Path,
        temporary: Path,
        *,
        values: Mapping[str, str],
        env: Mapping[str, str],
    ) -> None:
        self._file = yaml.safe_load(file.read_text())
        (self.job,) = self._file["jobs"].values()
        self._checkout = checkout
        self._temporary = temporary
        self._values = values
        self._given = env
        self._groups: list[int] = []

    def __enter__(self) -> Self:
        for name in ("path", "env", "summary"):
            (self._temporary / name).touch()
        return self

    def __exit__(self, *_: object) -> None:
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGTERM)

    @property
    def summary(self) -> str:
        """What the steps wrote into the summary."""
        return (self._temporary / "summary").read_text()

    def run(self) -> Iterator[Step]:
        """Carry out the steps; the first that fails ends it but for those that run always.

        Yields:
            Each `run:` step as it went.
        """
        failed = False
        for step in self.job["steps"]:
            condition = self._filled(str(step.get("if", "${{ success() }}")))
            if "run" not in step or not self._holds(condition, failed=failed):
                continue
            done = self._carry_out(step)
            failed = failed or done.code != 0
            yield done

    def _carry_out(self, step: Mapping[str, Any]) -> Step:
        env = self._environment(step.get("env", {}))
        script = self._temporary / "step.sh"
        script.write_text(self._filled(step["run"]))
        output = self._temporary / "output"
        with output.open("w") as file:  # no pipe: what goes on in the background would hold it
            process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
                cwd=self._checkout / step.get("working-directory", "."),
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._groups.append(process.pid)
            code = process.wait(timeout=LIMIT_S)
        return Step(step["name"], code, output.read_text())

    def _environment(self, of_step: Mapping[str, Any]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        kept |= {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_PATH": str(self._temporary / "path"),
            "GITHUB_ENV": str(self._temporary / "env"),
            "GITHUB_STEP_SUMMARY": str(self._temporary / "summary"),
        }
        added = (self._temporary / "path").read_text().split()
        kept["PATH"] = os.pathsep.join([*reversed(added), kept["PATH"]])
        lines = (self._temporary / "env").read_text().splitlines()
        kept |= dict(line.split("=", 1) for line in lines)
        for variables in (self._file.get("env", {}), self.job.get("env", {}), of_step):
            kept |= {name: self._filled(str(value)) for name, value in variables.items()}
        return kept | self._given

    def _filled(self, text: str) -> str:
        """The text with the values of its expressions; an unknown one is an error."""
        known = {"always()": "always()", "success()": "success()"} | self._values
        return EXPRESSION.sub(lambda found: known[found[1]], text)

    def _holds(self, condition: str, *, failed: bool) -> bool:
        return {"always()": True, "success()": not failed, "true": True, "false": False}[condition]
