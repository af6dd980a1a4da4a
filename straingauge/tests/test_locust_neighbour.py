"""Locustfiles that have options and set exit codes."""

import json
import subprocess
import sys
from collections import Counter

import pytest
from locust_project import HEAD, READER, Project, has_both_kinds

pytest_plugins = ["locust_project"]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="Locust starts as a fork"),
]

OPTIONS = """
from locust import events

@events.init_command_line_parser.add_listener
def add(parser):
    group = parser.add_argument_group("ours")
    group.add_argument("--cooldown", type=str, default="warm")
    parser.add_argument("--database-url", default="sqlite:///local.db")
    parser.add_argument("--server-pid", action="store_true")

@events.quitting.add_listener
def tell(environment, **_):
    given = environment.parsed_options
    print("OURS", given.cooldown, given.database_url, given.server_pid, flush=True)
"""

EXIT_CODE = """
from locust import events

@events.{event}.add_listener
def set_code(environment, **_):
    environment.process_exit_code = {code}
"""


def some(served: Counter[str]) -> bool:
    """Some requests have been served."""
    return served.total() > 10


def test_options_of_a_locustfile_come_first(locust_folder: Project):
    """A locustfile may have options of the same names; they are its own, and a line says so."""
    options = ("--cooldown", "cold", "--server-pid")
    exit_ = locust_folder.run_until(some, OPTIONS + READER, *options)
    assert exit_.code == 0, exit_.output
    assert "OURS cold sqlite:///local.db True" in exit_.output
    for name in ("--cooldown", "--database-url", "--server-pid"):
        assert f"{name} belongs to the locustfile here; straingauge ignores it" in exit_.output
    assert locust_folder.result()["resources"]["database"] is None


@pytest.mark.parametrize(
    ("event", "code", "failing", "expected"),
    [("quitting", 0, True, 1), ("quitting", 7, False, 7), ("test_stop", 7, False, 7)],
)
def test_exit_codes_of_a_locustfile(
    locust_folder: Project, event: str, code: int, expected: int, *, failing: bool
):
    """The exit code that a locustfile sets stands, unless it is that of a success after a miss."""
    tasks = READER.replace("self.run_journey(hello)", "self.run_journey(boom)")
    users = EXIT_CODE.format(event=event, code=code) + (tasks if failing else READER)
    exit_ = locust_folder.run_until(some, users, "--tags", "read")
    assert exit_.code == expected, exit_.output


def test_json_of_locust_stays_json(locust_folder: Project):
    """With --json, standard output has Locust's JSON alone, and standard error the verdict."""
    locust_folder.write("locustfile.py", HEAD + READER)
    command = [sys.executable, "-m", "locust", "--headless", "--json", "--users", "2"]
    errors = locust_folder.path / "errors.txt"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [*command, "--host", locust_folder.url, "--cooldown", "0"],
            cwd=locust_folder.path,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as run,
    ):
        locust_folder.wait(run, has_both_kinds)
        run.terminate()
        output, _ = run.communicate(timeout=90)
    assert run.returncode == 0
    assert {each["name"] for each in json.loads(output)} == {"/hello", "/plain"}
    (result,) = (locust_folder.path / "results").iterdir()
    assert result.name in errors.read_text()
