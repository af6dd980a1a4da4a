"""A commit's files in a separate folder, and a Python with their dependencies."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from straingauge.ab.dependencies import dependencies, unread_differences
from straingauge.errors import TargetError, UsageError
from straingauge.git import git, without_repository
from straingauge.target.config import StackConfig

_INSTALL_WITHIN_S: Final = 900
_SHOWN_LINES: Final = 15
_BY_PRODUCT: Final = re.compile(
    r"""(^|/)(__pycache__ | \.?venv | env | results | htmlcov | dist | build | target
    | \.tox | \.nox | \.coverage[^/]* | \.[a-z]*_?cache | \.idea | \.vscode | \.DS_Store
    | [^/]*\.egg-info | [^/]*\.pyc | [^/]*\.log)/?$""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Tree:
    """A checked-out commit.

    Attributes:
        commit: Its id.
        folder: Folder for other files of this commit; removed with the tree.
        root: The topmost folder of its files.
        config_path: Its straingauge.toml.
        repository: The topmost folder of the working tree.
    """

    commit: str
    folder: Path
    root: Path
    config_path: Path
    repository: Path


def commit_of(revision: str, config_path: Path) -> str:
    """Return the id of a commit.

    Raises:
        UsageError: This is not a git repository, or it does not have the commit.
    """
    folder = config_path.resolve().parent
    git(folder, "rev-parse", "--show-toplevel")  # raises outside of a repository
    try:
        return git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except UsageError as error:
        raise UsageError(
            f"unknown commit {revision!r}",
            hint="name a branch, a tag or an id (see: git log), or write a command with {port}",
        ) from error


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
    commit = commit_of(revision, config_path)
    root = Path(git(config_path.parent, "rev-parse", "--show-toplevel")).resolve()
    with tempfile.TemporaryDirectory(prefix="straingauge-ab-") as temporary:
        folder = Path(temporary).resolve()
        tree = folder / "tree"
        git(root, "worktree", "add", "--detach", "--force", str(tree), commit)
        try:
            theirs = tree / config_path.relative_to(root)
            if not theirs.is_file():
                raise UsageError(
                    f"{revision} has no {config_path.relative_to(root)}",
                    hint="give a command with {port} for that variant",
                )
            _add_submodules(root, tree)
            yield Tree(commit, folder, tree, theirs, root)
        finally:
            git(root, "worktree", "remove", "--force", str(tree))


def ignored_files(repository: Path) -> list[str]:
    """Return the paths that git ignores in a working tree, without known by-products."""
    found = git(
        repository, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"
    )
    return [each for each in found.split("\0") if each and not _BY_PRODUCT.search(each)]


def copy_ignored(paths: Sequence[Path], tree: Tree) -> None:
    """Copy files and folders of the working tree to the same places in a tree.

    Raises:
        UsageError: One does not exist, or is outside of the repository.
    """
    for path in paths:
        source = Path(os.path.abspath(path))  # noqa: PTH100  symbolic links are kept
        resolved = source.parent.resolve() / source.name
        if not source.exists() or not resolved.is_relative_to(tree.repository):
            raise UsageError(
                f"--copy {path}: there is no such file in {tree.repository}",
                hint="name an ignored file or folder of the working tree, such as .env",
            )
        target = tree.root / resolved.relative_to(tree.repository)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)


def _add_submodules(repository: Path, tree: Path) -> None:
    """Copy the files of submodules from the working tree's repositories, without a network."""
    if not (tree / ".gitmodules").is_file():
        return
    for entry in git(tree, "ls-files", "--stage", "-z").split("\0"):
        mode, _, rest = entry.partition(" ")
        if mode != "160000":  # a commit of another repository
            continue
        commit, path = rest.split(" ")[0], rest.partition("\t")[2]
        _unpack(repository / path, path, commit, tree / path)
        _add_submodules(repository / path, tree / path)


def _unpack(submodule: Path, name: str, commit: str, target: Path) -> None:
    hint = f"in the working tree: git submodule update --init {name}, and fetch in it"
    if not (submodule / ".git").exists():
        raise UsageError(f"the submodule {name} is not checked out", hint)
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        try:
            git(submodule, "archive", "-o", archive.name, commit)
        except UsageError as error:
            raise UsageError(
                f"the submodule {name} does not have {commit[:12]}: {error}", hint
            ) from error
        with tarfile.open(archive.name) as files:
            files.extractall(target, filter="data")


def python_of(tree: Tree, ours: StackConfig, tell: Callable[[str], None]) -> str:
    """Find or create a Python with the dependencies of a commit.

    Args:
        tree: The commit.
        ours: The service in the working tree, whose Python has its dependencies.
        tell: Called with a line when an environment is created.

    Returns:
        Path of the interpreter: that of the working tree if both have the same dependencies.

    Raises:
        TargetError: The dependencies cannot be installed; the message ends with pip's output.
        UsageError: A file that declares them is not valid.
    """
    folder = tree.config_path.parent
    wanted = dependencies(folder, tree.root)
    if wanted == dependencies(ours.folder, tree.repository):
        unread = [] if wanted else unread_differences(folder, ours.folder)
        if unread:
            tell(
                f"{', '.join(unread)} may declare other dependencies, and is not read: it runs"
                " with the packages of the working tree; name what it needs in requirements.txt"
            )
        return str(ours.python)
    tell("its dependencies differ: creating an environment")
    environment = tree.folder / "venv"
    python = environment / "bin" / "python"
    _install([str(ours.python), "-m", "venv", str(environment)], folder)
    if wanted:
        files = []
        for option, lines in (("-r", wanted.requirements), ("-c", wanted.constraints)):
            path = tree.folder / f"dependencies{option}.txt"
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            files += [option, str(path)]
        _install([str(python), "-m", "pip", "install", "--quiet", *files], wanted.folder)
    return str(python)


def _install(command: Sequence[str], folder: Path) -> None:
    # Without this process's PYTHONPATH and active environment.
    env = {
        name: value
        for name, value in without_repository(os.environ).items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
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
            hint="start that commit with the dependencies it needs yourself, and give its URL or a"
            " command with {port}",
        )
