import json
from pathlib import Path

import pytest
from straingauge.ab.dependencies import dependencies
from straingauge.errors import UsageError

PROJECT = '[project]\nname = "x"\nversion = "1"\ndependencies = ["a>=1"]\n'
POETRY = '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "^3.11"\n'
LOCK = '[[package]]\nname = "{}"\nversion = "{}"\n'


def read(folder: Path, **files: str) -> tuple[list[str], list[str]]:
    """Return the requirements and constraints of a folder with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = dependencies(folder, folder)
    return list(found.requirements), list(found.constraints)


@pytest.mark.parametrize(
    ("files", "requirements", "constraints"),
    [
        ({"requirements.txt": "b==2  # why\n\n# no\na==1\n"}, ["a==1", "b==2"], []),
        ({"requirements.txt": "-r base.txt\n", "base.txt": "a==1\n"}, ["a==1"], []),
        ({"requirements.txt": "--requirement=r/b.txt\n", "r/b.txt": "-r c.txt\n",
          "r/c.txt": "a==1\n"}, ["a==1"], []),
        ({"requirements.txt": "-r requirements.txt\na\n"}, ["a"], []),
        ({"requirements.txt": "a\n-c c.txt\n", "c.txt": "a==1\n"}, ["a"], ["a==1"]),
        ({"requirements.txt": "a==1 \\\n    --hash=sha256:00\n"}, ["a==1 --hash=sha256:00"], []),
        ({"requirements.txt": "-e .\n", "pyproject.toml": PROJECT}, ["-e .", "a>=1"], []),
        ({"pyproject.toml": PROJECT}, ["a>=1"], []),
        ({"pyproject.toml": PROJECT + "[build-system]\nrequires = []\n"}, [".", "a>=1"], []),
        ({"pyproject.toml": PROJECT + '[dependency-groups]\ndev = ["b"]\n'}, ["a>=1", "b"], []),
        ({"pyproject.toml": PROJECT + '[tool.uv.sources]\na = {git = "https://h/a", tag = "1"}\n'},
         ["a @ git+https://h/a@1"], []),
        ({"pyproject.toml": PROJECT, "uv.lock": LOCK.format("a", "1.5") + LOCK.format("x", "1")
          + 'source = { virtual = "." }\n'}, ["a>=1"], ["a==1.5"]),
        ({"pyproject.toml": PROJECT, "pdm.lock": LOCK.format("a", "1") + LOCK.format("a", "2")},
         ["a>=1"], []),
        ({"pyproject.toml": PROJECT, "pylock.toml": '[[packages]]\nname = "a"\nversion = "3"\n'},
         ["a>=1"], ["a==3"]),
        ({"pyproject.toml": POETRY + 'a = "^1.2"\n', "poetry.lock": LOCK.format("a", "1.3")},
         ["a>=1.2,<2"], ["a==1.3"]),
        ({"pyproject.toml": POETRY + 'a = "^0.2.3"\nb = "~1.2.3"\nc = "*"\nd = "1.0"\n'},
         ["a>=0.2.3,<0.3", "b>=1.2.3,<1.3", "c", "d==1.0"], []),
        ({"pyproject.toml": POETRY + 'a = {version = ">=1,<2", extras = ["z"]}\n'
          '[tool.poetry.group.dev.dependencies]\nb = "2.*"\n'}, ["a[z]>=1,<2", "b==2.*"], []),
        ({"Pipfile": '[packages]\na = "*"\n', "Pipfile.lock": json.dumps(
            {"default": {"a": {"version": "==1.0"}}})}, ["a"], ["a==1.0"]),
        ({"setup.cfg": "[options]\ninstall_requires =\n    a>=1\n"}, ["a>=1"], []),
        ({"service.py": ""}, [], []),
    ],
)  # fmt: skip
def test_dependencies_are_read_whatever_the_tool(
    tmp_path: Path, files: dict[str, str], requirements: list[str], constraints: list[str]
):
    """Requirements and locked versions are read from the files of pip, uv, Poetry, PDM, Pipenv."""
    assert read(tmp_path, **files) == (requirements, constraints)


def test_dependencies_of_a_folder_above(tmp_path: Path):
    """A service in a subfolder has the dependencies and the lock file of the folders above it."""
    service = tmp_path / "services" / "one"
    service.mkdir(parents=True)
    (tmp_path / "services" / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "uv.lock").write_text(LOCK.format("a", "2"))
    found = dependencies(service, tmp_path)
    assert (found.requirements, found.constraints) == (("a>=1",), ("a==2",))
    assert found.folder == tmp_path / "services"
    assert not dependencies(service, service)


@pytest.mark.parametrize("name", ["pyproject.toml", "Pipfile.lock", "setup.cfg", "uv.lock"])
def test_damaged_files_are_named(tmp_path: Path, name: str):
    """A file that cannot be parsed is named in the error."""
    if name.endswith(".lock"):
        (tmp_path / "requirements.txt").write_text("a\n")
    (tmp_path / name).write_text("= {\n")
    with pytest.raises(UsageError, match=name):
        dependencies(tmp_path, tmp_path)
