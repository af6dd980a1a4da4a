# ruff: noqa: INP001 - a script that stands alone
"""Writes and checks backend/requirements.txt, the exact versions of everything.

requirements.py write    resolves the ranges of both pyproject.toml files afresh, in an environment
                         of its own, and writes what came out
requirements.py check    says where the file and those ranges disagree
"""

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BACKEND = ROOT / "backend"
FILE = BACKEND / "requirements.txt"
INSTRUMENT = "-e ../straingauge[locust,postgres,pytest]"
HEADER = (
    "# Exact versions of the whole. Made by `make requirements` from the ranges in pyproject.toml."
)
NOT_PINNED = {"pip", "setuptools", "straingauge", "wheel"}


def ranges() -> list[Requirement]:
    """What both packages ask for, extras included."""
    wanted = []
    for package in ("backend", "straingauge"):
        project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"].values()
        wanted += [*project["dependencies"], *(item for extra in extras for item in extra)]
    requirements = map(Requirement, wanted)
    return [each for each in requirements if each.name not in NOT_PINNED]


def write() -> None:
    """Resolves the ranges anew and replaces the file."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        pip = [f"{folder}/bin/python", "-m", "pip", "--disable-pip-version-check", "-qq"]
        subprocess.run(
            [*pip, "install", *INSTRUMENT.split(), *map(str, ranges())], cwd=BACKEND, check=True
        )
        frozen = subprocess.run(
            [*pip, "freeze", "--exclude-editable"], check=True, capture_output=True, text=True
        ).stdout
    pins = [line for line in frozen.splitlines() if Requirement(line).name not in NOT_PINNED]
    FILE.write_text("\n".join([HEADER, INSTRUMENT, *pins]) + "\n")


def check() -> list[str]:
    """Where the file disagrees with the ranges; empty when it does not."""
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    faults = [] if lines[0] == INSTRUMENT else [f"the first line is not `{INSTRUMENT}`"]
    pins = {canonicalize_name(pin.name): pin.specifier for pin in map(Requirement, lines[1:])}
    for name, specifier in pins.items():
        if [each.operator for each in specifier] != ["=="]:
            faults.append(f"{name} is not pinned to one version")
    for wanted in ranges():
        pin = pins.get(canonicalize_name(wanted.name))
        if pin is None:
            faults.append(f"{wanted.name} is missing")
        elif not all(wanted.specifier.contains(each.version) for each in pin):
            faults.append(f"{wanted.name}{pin} is outside {wanted.specifier}")
    return faults


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        write()
    elif sys.argv[1:] != ["check"]:
        sys.exit(__doc__)
    if found := check():
        sys.exit("\n".join(f"backend/requirements.txt: {fault}" for fault in found))
