"""Commands of `make locust LEVEL=...` and `make profile NAME=...`."""

import os
import re
import shlex
import subprocess
from itertools import pairwise

import pytest
from deployment import ROOT

LEVELS = {
    "quick": (5, 60),
    "moderate": (20, 300),
    "heavy": (50, 600),
    "stress": (100, 900),
    "soak": (20, 3600),
}
"""Users and seconds."""

PROFILES = {
    "pre-deployment": ["pytest"],
    "post-deployment": ["locust"],
    "daily": ["pytest", "locust"],
    "weekly": ["pytest", "locust"],
    "pre-release": ["pytest", "locust"],
}
UNITS = {"s": 1, "m": 60, "h": 3600}


def make(*given: str, **env: str) -> tuple[int, str]:
    """Run make with --dry-run; return its exit code and output."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    done = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv/.ready", *given],
        cwd=ROOT,
        env=inherited | env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def commands(output: str) -> list[str]:
    """Return the commands that run a load."""
    return [line for line in output.splitlines() if "tests/performance/" in line]


def load(command: str) -> tuple[int, int]:
    """Return users and seconds of a Locust command; of repeated options the last one counts."""
    words = shlex.split(command)
    options = dict(pairwise(words))
    number, unit = re.fullmatch(r"(\d+)([smh])", options["--run-time"]).groups()
    return int(options["--users"]), int(number) * UNITS[unit]


@pytest.mark.parametrize("level", LEVELS)
def test_level(level: str):
    """Each level starts a service and runs Locust headless, with its users and run time."""
    code, output = make("locust", f"LEVEL={level}")
    assert code == 0, output
    (command,) = commands(output)
    assert load(command) == LEVELS[level]
    assert "--headless" in command
    assert "straingauge serve --port 0" in command


def test_without_level_the_web_ui_starts():
    """Without a level Locust starts with its web UI and without options for the load."""
    (command,) = commands(make("locust")[1])
    assert "--users" not in command
    assert "--headless" not in command


def test_level_against_a_running_service():
    """With URL no service is started, and RUN_TIME sets the run time."""
    (command,) = commands(
        make("locust", "LEVEL=stress", "URL=http://localhost:1", "RUN_TIME=7s")[1]
    )
    assert "straingauge serve" not in command
    assert "--host http://localhost:1" in command
    assert load(command) == (100, 7)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["locust", "LEVEL=hard"], "LEVEL=hard is not one of: quick moderate heavy stress soak."),
        (["profile", "NAME=yearly"], f"NAME=yearly is not one of: {' '.join(PROFILES)}."),
        (["profile"], f"NAME= is not one of: {' '.join(PROFILES)}."),
    ],
)
def test_unknown_name_is_an_error(arguments: list[str], message: str):
    """An unknown level or profile is an error in one line that lists the known ones."""
    code, output = make(*arguments)
    assert code == 2
    assert message in output
    assert len(output.splitlines()) == 1
    assert not commands(output)


@pytest.mark.parametrize("profile", PROFILES)
def test_profile(profile: str):
    """Each profile runs its suites."""
    code, output = make("profile", f"NAME={profile}")
    assert code == 0, output
    kinds = ["pytest" if "pytest" in command else "locust" for command in commands(output)]
    assert kinds == PROFILES[profile]


def test_size_of_profiles():
    """The weekly profile has at least 100 users, and the one before a release takes an hour."""
    weekly, release = (
        commands(make("profile", f"NAME={name}")[1])[-1] for name in ("weekly", "pre-release")
    )
    assert load(weekly)[0] >= 100
    assert load(release)[1] >= 3600
