"""Git commands that leave the user's index and work tree as they are."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError

TIMEOUT_S: Final = 120
# Configuration of git as such; everything else named GIT_* describes the caller's repository.
_KEPT: Final = (
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_KEY_",
    "GIT_CONFIG_VALUE_",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_EXEC_PATH",
    "GIT_SSH",
    "GIT_SSL",
    "GIT_TERMINAL_PROMPT",
)


def without_repository(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that name a repository, an index or a work tree.

    Git sets them for its hooks and for `git rebase --exec`; a git command in another folder would
    write to the index of the commit that is being made.
    """
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") or name.startswith(_KEPT)
    }


def repository_path(file: str) -> str:
    """Return a file relative to the root of the git repository it is in, with "/".

    A relative path, and a file that is in no repository of this machine, stay as they are.
    """
    path = Path(file)
    if not path.is_absolute():
        return path.as_posix()
    roots = (folder for folder in path.parents if (folder / ".git").exists())
    return next((path.relative_to(root).as_posix() for root in roots), path.as_posix())


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without hooks and optional locks, and return its output.

    Raises:
        UsageError: Git cannot be run, takes more than `TIMEOUT_S`, or fails; the message has its
            error.
    """
    command = ["git", "-C", str(folder), "-c", f"core.hooksPath={os.devnull}", *arguments]
    try:
        done = subprocess.run(
            command,
            env={**without_repository(os.environ), "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"git cannot be run: {error}", hint="install git") from error
    if done.returncode:
        raise UsageError(f"git {arguments[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()
