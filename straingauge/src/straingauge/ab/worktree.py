"""A commit's files in a separate folder, and a Python with their dependencies."""

import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from straingauge.errors import TargetError, UsageError

_INSTALL_WITHIN_S: Final = 900
_SHOWN_LINES: Final = 15


@dataclass(frozen=True, slots=True)
class Tree:
    """A checked-out commit.

    Attributes:
        commit: Its id.
        folder: Folder for other files of this commit; removed with the tree.
        config_path: Its straingauge.toml.
    """

    commit: str
    folder: Path
    config_path: Path


@contextmanager
def checked_out(revision: str, config_path: Path) -> Iterator[Tree]:
    """Check out a commit into a git worktree, and remove it at the end.

    Args:
        revision: A commit, as git names it.
        config_path: The straingauge.toml in the working tree; the commit has it at the same place.

    Raises:
        UsageError: This is not a git repository, the commit is unknown, or it has no such file.
    """
    config_path = config_path.resolve()
    root = Path(_git(config_path.parent, "rev-parse", "--show-toplevel"))
    commit = _git(
        root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", named=revision
    )
    with tempfile.TemporaryDirectory(prefix="straingauge-ab-") as temporary:
        folder = Path(temporary)
        tree = folder / "tree"
        _git(root, "worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            theirs = tree / config_path.relative_to(root)
            if not theirs.is_file():
                raise UsageError(
                    f"{revision} has no {config_path.relative_to(root)}",
                    hint="give a command with {port} for that variant",
                )
            yield Tree(commit, folder, theirs)
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def python_of(folder: Path, ours: Path, place: Path, tell: Callable[[str], None]) -> str:
    """Find or create a Python with the dependencies of a folder.

    Args:
        folder: The folder with requirements.txt or pyproject.toml.
        ours: The same folder in the working tree, whose dependencies are installed here.
        place: Folder for a new environment.
        tell: Called with a line when one is created.

    Returns:
        Path of the interpreter: this one if both folders have the same dependencies.

    Raises:
        TargetError: The dependencies cannot be installed; the message ends with pip's output.
    """
    wanted = dependencies(folder)
    if wanted == dependencies(ours):
        return sys.executable
    tell("its dependencies differ: creating an environment")
    environment = place / "venv"
    python = environment / "bin" / "python"
    _install([sys.executable, "-m", "venv", str(environment)], folder)
    if wanted:
        what = ["-r", "requirements.txt"] if "requirements.txt" in wanted else ["."]
        _install([str(python), "-m", "pip", "install", "--quiet", *what], folder)
    return str(python)


def dependencies(folder: Path) -> dict[str, Any]:
    """Dependencies that a folder declares, by the file that declares them."""
    found: dict[str, Any] = {}
    requirements, project = folder / "requirements.txt", folder / "pyproject.toml"
    if requirements.is_file():
        lines = requirements.read_text(encoding="utf-8").splitlines()
        found["requirements.txt"] = sorted(
            line.strip() for line in lines if line.strip() and not line.startswith("#")
        )
    elif project.is_file():
        try:
            declared = tomllib.loads(project.read_text(encoding="utf-8"))
        except ValueError as error:
            raise TargetError(f"{project}: not valid TOML: {error}") from error
        found["pyproject.toml"] = sorted(declared.get("project", {}).get("dependencies", []))
    return found


def _install(command: list[str], folder: Path) -> None:
    # Without this process's PYTHONPATH and active environment.
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=_INSTALL_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TargetError(
            f"the build failed: {' '.join(command)} took more than {_INSTALL_WITHIN_S} s"
        ) from error
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines()[-_SHOWN_LINES:]
        raise TargetError(
            f"the build failed: {' '.join(command)} exited with {done.returncode}:"
            + "".join(f"\n    {line}" for line in lines),
            hint="check out that commit and install its requirements by hand",
        )


def _git(folder: Path, *arguments: str, named: str | None = None) -> str:
    """Run git and return its output; raises UsageError with its error message."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise UsageError(f"git cannot be run: {error}", hint="install git") from error
    if done.returncode == 0:
        return done.stdout.strip()
    if named is not None:
        raise UsageError(
            f"unknown commit {named!r}", hint="name a branch, a tag or an id; see: git log"
        )
    raise UsageError(f"git {arguments[0]} failed: {done.stderr.strip() or done.returncode}")
