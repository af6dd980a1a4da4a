# ruff: noqa: INP001 - a script that stands alone
"""Write and check the exact versions in backend/requirements.txt and requirements-dev.txt.

requirements.py write    resolve the ranges of both pyproject.toml files with uv, for every platform
                         and Python that they allow
requirements.py check    report where the files and those ranges disagree
"""

import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BACKEND = ROOT / "backend"
RUN = BACKEND / "requirements.txt"
DEV = BACKEND / "requirements-dev.txt"
DEV_EXTRAS = ("test", "mcp", "http2", "export")
"""The extras of both packages that only tests and lint need."""
STRAINGAUGE = "-e ../straingauge[explain,locust,postgres,profile,pytest,traces]"
HEADER = "# Exact versions of {}. Written by `make requirements`; the ranges are in pyproject.toml."
HEADERS = {
    RUN: [HEADER.format("what the service and its load tests need"), STRAINGAUGE],
    DEV: [HEADER.format("what the other tests and lint need"), "-r requirements.txt"],
}


def ranges(*, dev: bool) -> list[Requirement]:
    """The requirements of both packages; with `dev`, those of tests and lint only."""
    found: list[str] = []
    for package in ("backend", "straingauge"):
        project = tomllib.loads((ROOT / package / "pyproject.toml").read_text())["project"]
        groups = project["optional-dependencies"] | {"": project["dependencies"]}
        for name, group in groups.items():
            if (name in DEV_EXTRAS) == dev:
                found += group
    requirements = map(Requirement, found)
    return [each for each in requirements if each.name != "straingauge"]


def write() -> None:
    """Resolve the ranges and replace both files."""
    run = _resolve([*map(str, ranges(dev=False))])
    # Under the constraint of the other file's versions, so that no package has two.
    both = _resolve([*run, *map(str, ranges(dev=True))])
    RUN.write_text("\n".join([*HEADERS[RUN], *run]) + "\n")
    DEV.write_text("\n".join([*HEADERS[DEV], *(pin for pin in both if pin not in run)]) + "\n")


def _resolve(wanted: list[str]) -> list[str]:
    """The pins of these requirements and of all they need, straingauge's apart."""
    uv = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header", "--no-annotate"]
    compiled = subprocess.run(
        [*uv, "--universal", "--python-version", "3.11", "-"],
        input="\n".join([STRAINGAUGE, *wanted]),
        cwd=BACKEND,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return [line for line in compiled.splitlines() if not line.startswith("-e ")]


def check() -> list[str]:
    """The disagreements between the files and the ranges."""
    faults = []
    pins: dict[str, list[Requirement]] = {}
    for file, header in HEADERS.items():
        lines = file.read_text().splitlines()
        if lines[: len(header)] != header:
            faults.append(f"{file.name} does not begin with `{' / '.join(header)}`")
        for pin in map(Requirement, lines[len(header) :]):
            pins.setdefault(canonicalize_name(pin.name), []).append(pin)
            if [each.operator for each in pin.specifier] != ["=="]:
                faults.append(f"{file.name}: {pin.name} is not pinned to one version")
        for wanted in ranges(dev=file == DEV):
            if (name := canonicalize_name(wanted.name)) not in pins:
                faults.append(f"{file.name}: {wanted.name} is missing")
            faults += [
                f"{file.name}: {pin} is outside {wanted.specifier}"
                for pin in pins.get(name, ())
                if not all(wanted.specifier.contains(each.version) for each in pin.specifier)
            ]
    return faults


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        write()
    elif sys.argv[1:] != ["check"]:
        sys.exit(__doc__)
    if found := check():
        sys.exit("\n".join(found))
