"""Steps of the wall clock change no measurement: durations are of clocks that never step."""

import ast
import re
from pathlib import Path

import straingauge

PACKAGE = Path(straingauge.__file__).parent
WALL_CLOCK = {"time", "time_ns", "now", "utcnow", "today", "create_time"}
"""Functions of `time`, `datetime` and psutil whose values step with the wall clock."""
MENTION = re.compile(rf"\.({'|'.join(sorted(WALL_CLOCK))})\b")
ALLOWED = {
    "cli/ab.py": "the start, for the result",
    "cli/capacity.py": "the start, for the result",
    "doctor/service.py": "compares it with the service's",
    "exports/second_counter.py": "the start, from which the instants of exports are counted",
    "http/cookies.py": "cookies expire by it",
    "locust/distributed/master.py": "a number for the run",
    "locust/stats/request_reporter.py": "the start of a request, for listeners of Locust",
    "process_start.py": "systems without a clock of the time since boot",
    "recording/recorder.py": "when an example of an error was seen, to find it in logs",
    "recording/sampled_requests.py": "when each request was sent, for exports",
    "target/process_group.py": "the age of a folder that a killed process left, in hours",
    "workers/run_clock.py": "the start, for the result",
}


def readings(source: str) -> list[int]:
    """Return the lines that read the wall clock."""
    if not MENTION.search(source):  # parsing takes most of the time
        return []
    return sorted(
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in WALL_CLOCK
        and not (node.attr == "time" and not _is_module(node.value, "time"))
    )


def _is_module(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def test_only_these_files_read_the_wall_clock():
    """Each file that reads the wall clock has a reason, and no other does."""
    found = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if readings(file.read_text())
    }
    assert found == set(ALLOWED)


def test_a_planted_reading_is_found():
    """The wall clock is found, also as a default argument; the other clocks are not."""
    planted = """
import time
from datetime import datetime
took_s = time.time() - began_s
def at(now=datetime.now): ...
process.create_time()
time.monotonic(), time.perf_counter(), response.time
"""
    assert readings(planted) == [4, 5, 6]
