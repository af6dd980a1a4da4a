"""How much load `make locust LEVEL=...` and `make profile NAME=...` put on: what make would run."""

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
    """What make would run, the environment taken as made; its exit code, and what it says."""
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
    """The lines that put load on."""
    return [line for line in output.splitlines() if "tests/performance/" in line]


def load(command: str) -> tuple[int, int]:
    """Users and seconds of a Locust command: what is said last counts."""
    words = shlex.split(command)
    said = dict(pairwise(words))
    number, unit = re.fullmatch(r"(\d+)([smh])", said["--run-time"]).groups()
    return int(said["--users"]), int(number) * UNITS[unit]


@pytest.mark.parametrize("level", LEVELS)
def test_level(level: str):
    """Each level runs Locust to its end, with its users and time, at a stand of its own."""
    code, output = make("locust", f"LEVEL={level}")
    assert code == 0, output
    (command,) = commands(output)
    assert load(command) == LEVELS[level]
    assert "--headless" in command
    assert "straingauge serve --port 0" in command


def test_no_level_is_the_page():
    """Without a level it is Locust's page, which people give their own figures."""
    (command,) = commands(make("locust")[1])
    assert "--users" not in command
    assert "--headless" not in command


def test_level_at_a_service_that_runs():
    """With URL no stand is started, and with RUN_TIME a level takes that long."""
    (command,) = commands(
        make("locust", "LEVEL=stress", "URL=http://localhost:1", "RUN_TIME=7s")[1]
    )
    assert "straingauge serve" not in command
    assert "--host http://localhost:1" in command
    assert load(command) == (100, 7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["locust", "LEVEL=hard"], "LEVEL=hard is not one of: quick moderate heavy stress soak."),
        (["profile", "NAME=yearly"], f"NAME=yearly is not one of: {' '.join(PROFILES)}."),
        (["profile"], f"NAME= is not one of: {' '.join(PROFILES)}."),
    ],
)
def test_unknown_name(given: list[str], said: str):
    """A level or profile that does not exist is one line with those that do, and runs nothing."""
    code, output = make(*given)
    assert code == 2
    assert said in output
    assert len(output.splitlines()) == 1
    assert not commands(output)


@pytest.mark.parametrize("profile", PROFILES)
def test_profile(profile: str):
    """Each profile is one command, which runs what it is made of."""
    code, output = make("profile", f"NAME={profile}")
    assert code == 0, output
    kinds = ["pytest" if "pytest" in command else "locust" for command in commands(output)]
    assert kinds == PROFILES[profile]


def test_profiles_are_as_large_as_their_names():
    """Weekly has a hundred users or more; before a release both parts take an hour or more."""
    weekly, release = (
        commands(make("profile", f"NAME={name}")[1])[-1] for name in ("weekly", "pre-release")
    )
    assert load(weekly)[0] >= 100
    assert load(release)[1] >= 3600
