"""Execution of the `run:` steps of a GitHub workflow on this machine."""

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
    """A step that was executed.

    Attributes:
        name: Name of the step in the workflow.
        code: Exit code.
        output: Output of its script.
    """

    name: str
    code: int
    output: str


class Workflow:
    """The only job of a workflow file.

    Use as a context manager, which stops background processes of the steps at its end.

    Args:
        file: The workflow file.
        checkout: Clone of the repository.
        temporary: Folder for the files of the runner.
        values: Values of the expressions `${{ name }}`.
        env: Environment variables, which override those of the file.
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
        self._overrides = env
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
        """Content of the job summary."""
        return (self._temporary / "summary").read_text()

    def run(self) -> Iterator[Step]:
        """Execute the steps; after a failure, only those with `always()`.

        Yields:
            Each executed `run:` step.
        """
        failed = False
        for step in self.job["steps"]:
            condition = self._substitute(str(step.get("if", "${{ success() }}")))
            if "run" not in step or not self._evaluate(condition, failed=failed):
                continue
            done = self._execute(step)
            failed = failed or done.code != 0
            yield done

    def _execute(self, step: Mapping[str, Any]) -> Step:
        env = self._environment(step.get("env", {}))
        script = self._temporary / "step.sh"
        script.write_text(self._substitute(step["run"]))
        output = self._temporary / "output"
        with output.open("w") as file:  # not a pipe, which background processes would keep open
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
        inherited = {
            name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ
        }
        inherited |= {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_PATH": str(self._temporary / "path"),
            "GITHUB_ENV": str(self._temporary / "env"),
            "GITHUB_STEP_SUMMARY": str(self._temporary / "summary"),
        }
        added = (self._temporary / "path").read_text().split()
        inherited["PATH"] = os.pathsep.join([*reversed(added), inherited["PATH"]])
        lines = (self._temporary / "env").read_text().splitlines()
        inherited |= dict(line.split("=", 1) for line in lines)
        for variables in (self._file.get("env", {}), self.job.get("env", {}), of_step):
            inherited |= {name: self._substitute(str(value)) for name, value in variables.items()}
        return {**inherited, **self._overrides}

    def _substitute(self, text: str) -> str:
        """Replace the expressions in a text; an unknown one is an error."""
        known = {"always()": "always()", "success()": "success()", **self._values}
        return EXPRESSION.sub(lambda match: known[match[1]], text)

    def _evaluate(self, condition: str, *, failed: bool) -> bool:
        return {"always()": True, "success()": not failed, "true": True, "false": False}[condition]
