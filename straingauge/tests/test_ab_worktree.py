import os
import subprocess
import sys
from pathlib import Path

import pytest
from straingauge.ab import worktree
from straingauge.ab.worktree import Tree, checked_out, copy_ignored, ignored_files, python_of
from straingauge.errors import UsageError
from straingauge.git import without_repository
from straingauge.result.assembly import environment
from straingauge.target import StackConfig


def git(folder: Path, *arguments: str) -> str:
    """Run git as a made-up author."""
    author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
    command = ["git", *author, "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit, and a change and a new file in its index."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "--quiet")
    for name in ("straingauge.toml", "a.txt"):
        (folder / name).write_text("old\n")
    (folder / ".gitignore").write_text(".env\ndata/\n__pycache__/\nresults/\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "First")
    (folder / "a.txt").write_text("new\n")
    (folder / "b.txt").write_text("new\n")
    git(folder, "add", ".")
    return folder


@pytest.mark.parametrize(
    "names", [("GIT_INDEX_FILE",), ("GIT_DIR",), ("GIT_DIR", "GIT_WORK_TREE", "GIT_PREFIX")]
)
@pytest.mark.parametrize("place", ["absolute", "relative"])
def test_a_git_hook_keeps_its_index(
    repository: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], place: str
):
    """Under the variables of a git hook, a commit is checked out and the index stays as it was."""
    before = git(repository, "status", "--porcelain")
    monkeypatch.chdir(repository)
    values = {"GIT_INDEX_FILE": ".git/index", "GIT_DIR": ".git", "GIT_WORK_TREE": "."}
    start = repository if place == "absolute" else Path()
    for name in names:
        monkeypatch.setenv(name, str(start / values.get(name, "")))
    with checked_out("HEAD", repository / "straingauge.toml") as tree:
        assert (tree.root / "a.txt").read_text() == "old\n"
        commit = environment(repository)["commit"]
    monkeypatch.undo()
    assert commit == {"id": tree.commit, "modified": True}
    assert git(repository, "status", "--porcelain") == before
    assert git(repository, "worktree", "list").count("\n") == 1


def test_hooks_do_not_run(repository: Path):
    """A hook of the repository does not run when a commit is checked out."""
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    with checked_out("HEAD", repository / "straingauge.toml") as tree:
        assert not (tree.root / "ran").exists()


def test_services_do_not_get_the_repository_of_a_hook():
    """Variables that name a repository are removed; configuration of git is kept."""
    given = {"GIT_DIR": "x", "GIT_INDEX_FILE": "x", "GIT_CONFIG_GLOBAL": "y", "PATH": "z"}
    assert without_repository(given) == {"GIT_CONFIG_GLOBAL": "y", "PATH": "z"}


def test_ignored_files_are_listed_and_copied(repository: Path):
    """Files that git ignores are listed without by-products, and copied if the user names them."""
    (repository / ".env").write_text("SECRET=1\n")
    for name in ("data/model.bin", "__pycache__/x.pyc", "results/a.json"):
        (repository / name).parent.mkdir()
        (repository / name).write_text(name)
    assert ignored_files(repository) == [".env", "data/"]
    with checked_out("HEAD", repository / "straingauge.toml") as tree:
        copy_ignored([repository / ".env", repository / "data"], tree)
        assert (tree.root / ".env").read_text() == "SECRET=1\n"
        assert (tree.root / "data" / "model.bin").read_text() == "data/model.bin"
        for outside in (repository / "missing", Path(sys.executable)):
            with pytest.raises(UsageError, match="--copy"):
                copy_ignored([outside], tree)


def test_submodules_have_the_commit_of_their_repository(repository: Path, tmp_path: Path):
    """Files of a submodule come from the working tree's copy of it; a missing one is an error."""
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "--quiet")
    (library / "code.py").write_text("old\n")
    git(library, "add", ".")
    git(library, "commit", "--quiet", "-m", "Old")
    git(repository, "submodule", "--quiet", "add", str(library), "lib")
    git(repository, "commit", "--quiet", "-m", "Library")
    (repository / "lib" / "code.py").write_text("new\n")
    config = repository / "straingauge.toml"
    with checked_out("HEAD", config) as tree:
        assert (tree.root / "lib" / "code.py").read_text() == "old\n"
    git(repository, "submodule", "--quiet", "deinit", "--force", "lib")
    with (
        pytest.raises(UsageError, match="submodule lib is not checked out"),
        checked_out("HEAD", config),
    ):
        pass
    assert git(repository, "worktree", "list").count("\n") == 1


def test_a_base_with_other_dependencies_gets_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The same packages are served by the Python of the service; others get a new environment."""
    installed: list[list[str]] = []
    monkeypatch.setattr(worktree, "_install", lambda command, _folder: installed.append(command))
    current, base, place = (tmp_path / name for name in ("current", "base", "place"))
    for folder, packages in ((current, "a==1\nb==2\n"), (base, "# unchanged\nb==2\n\na==1\n")):
        folder.mkdir()
        (folder / "requirements.txt").write_text(packages)
    place.mkdir()
    tree = Tree("0" * 40, place, base, base / "straingauge.toml", current)
    (current / "straingauge.toml").write_text(
        "python = 'env/python'\nservice.command = ['serve']\n"
    )
    service = StackConfig.from_file(current / "straingauge.toml")
    assert python_of(tree, service, print) == str(current / "env" / "python")
    assert installed == []
    (base / "requirements.txt").write_text("a==2\n")
    python = python_of(tree, service, print)
    assert python == str(place / "venv" / "bin" / "python")
    command = installed[1]
    assert command[0] == python
    assert Path(command[command.index("-r") + 1]).read_text() == "a==2\n"
    assert os.path.getsize(command[command.index("-c") + 1]) == 0  # noqa: PTH202


def test_dependencies_that_are_not_read_are_named(tmp_path: Path):
    """If files that are not read may declare other dependencies, a line names them."""
    current, base = tmp_path / "current", tmp_path / "base"
    for folder in (current, base):
        (folder / "requirements").mkdir(parents=True)
        (folder / "requirements" / "base.txt").write_text("a==1\n")
        (folder / "straingauge.toml").write_text("service.command = ['serve']\n")
    tree = Tree("0" * 40, tmp_path, base, base / "straingauge.toml", current)
    service = StackConfig.from_file(current / "straingauge.toml")
    told: list[str] = []
    python_of(tree, service, told.append)
    assert told == []
    (base / "requirements" / "base.txt").write_text("a==2\n")
    (current / "environment.yml").write_text("dependencies: [a]\n")
    assert python_of(tree, service, told.append) == str(service.python)
    (line,) = told
    assert line.startswith("environment.yml, requirements/base.txt may declare other dependencies")
    (base / "requirements.txt").write_text("a==1\n")
    (current / "requirements.txt").write_text("a==1\n")
    python_of(tree, service, told.append)
    assert told == [line]
