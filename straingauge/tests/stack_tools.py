"""Helpers for the tests of service stacks: a configuration file, SQL, and waiting."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from straingauge.target.binaries import find_binaries
from straingauge.target.reaper import wait_until

TINY_SERVICE = Path(__file__).with_name("tiny_service.py")
DEADLINE_S = 120.0


def write_stack_config(
    folder: Path,
    *,
    mode: str = "serve",
    postgres: bool = False,
    restore: bool = False,
    prepare: str = "",
    within_s: int = 60,
) -> Path:
    """Write a straingauge.toml for the tiny service in one of its modes."""
    command = json.dumps(["{python}", str(TINY_SERVICE), "{port}", mode])
    path = folder / "straingauge.toml"
    path.write_text(
        f"""
        [env]
        DATABASE_URL = "{{database_url}}"
        {"[postgres]" if postgres else ""}
        {"restore = true" if restore else ""}
        {prepare}
        [service]
        command = {command}
        ready_within_s = {within_s}
        stop_within_s = 1
        """
    )
    return path


def sql(url: str, statement: str) -> str:
    """Return the plain output of a statement."""
    psql = find_binaries().bin / "psql"
    arguments: list[str | Path] = [
        psql,
        "--no-psqlrc",
        "-v",
        "ON_ERROR_STOP=1",
        "-At",
        "-d",
        url,
        "-c",
        statement,
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def eventually(condition: Callable[[], bool]) -> bool:
    """Return true if a condition holds before the deadline."""
    return wait_until(condition, DEADLINE_S)


def runs(pid: int) -> bool:
    """Return true if a process exists and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def python(code: str, *arguments: object, temp: Path | None = None) -> subprocess.Popen[str]:
    """Start Python code in a separate process with readable standard output."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment | ({"TMPDIR": str(temp)} if temp else {}),
    )
