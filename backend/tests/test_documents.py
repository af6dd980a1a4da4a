"""Each command that README and guide show is run, as it stands there but for its length.

Where the service is, how long a load lasts and how much it is are changed; what so short a load
comes to decides nothing.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import pytest
from service import Service, run_backend
from straingauge.capacity import summary
from straingauge.target.ports import free_port
from test_load_test import make_log_ins_cheap
from tests.performance.fault_injection.suite import BACKEND

ROOT = BACKEND.parent
TABLE = re.compile(r"^load test .*\n((?:\w+ .*\n)+)", re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LIMIT = "100/3second"
"""Of each user: one load test waits until it may ask again."""

SHORT = {
    "LOAD_WAVES": "2",
    "POOL_ROUNDS": "2",
    "SUSTAINED_LOAD_S": "2",
    "LEAK_LOAD_S": "2",
    "SEED_SESSIONS": "500",
    "RATE_LIMIT_DEFAULT": LIMIT,
}

ELSEWHERE = (
    "cd backend",  # where each of these tests is
    "export DATABASE_URL=",  # these tests have a database of their own
    "python -m alembic upgrade head",  # for each database of these tests
    "python -m app.seed",  # in the fixture here
    "uvicorn app.main:app --reload",  # `Service` starts it, without watching files
    "python deploy/sizing.py",  # test_sizing.py
    "kubectl ",  # test_deploy.py reads the manifests; there is no cluster here
)
"""Beginnings of commands that are run at other places."""


def shown() -> list[str]:
    """All commands that a reader of README and guide may copy."""
    texts = [(ROOT / name).read_text() for name in ("README.md", "docs/guide.md")]
    blocks = "\n".join(block for text in texts for block in SHELL.findall(text))
    lines = [re.sub(r"\s+# .*", "", line) for line in blocks.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith(ELSEWHERE)]


@dataclass(frozen=True)
class Place:
    """A service, and a folder for all that is written."""

    service: Service
    folder: Path

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start it in a shell, in `backend/`, as the guide says."""
        own = {
            "API_BASE_URL": self.service.url,
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        return subprocess.Popen(
            ["sh", "-c", command.replace("http://localhost:8000", self.service.url)],
            cwd=BACKEND,
            env=os.environ | SHORT | own,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, *fine: int) -> str:
        """Run it to its end; gives what it printed."""
        with self.start(command) as started:
            try:
                output, _ = started.communicate(timeout=120)
            finally:
                started.kill()
        assert started.returncode in fine, output
        return output


@pytest.fixture(scope="module")
def place(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """The service on a seeded database of its own."""
    url, folder = make_database(), tmp_path_factory.mktemp("documents")
    run_backend("-m", "app.seed", "--sessions", "1000", database_url=url)
    asyncio.run(make_log_ins_cheap(url))
    service = Service(
        environment={
            "DATABASE_URL": url,
            "LOG_DIR": str(folder / "logs"),
            "STORAGE_DIR": str(folder / "audio"),
            "RATE_LIMIT_DEFAULT": LIMIT,
        }
    )
    service.start()
    yield Place(service, folder)
    service.stop()


def make(command: str, place: Place) -> None:
    """Make knows the target, its variables and their values; what it does has tests of its own."""
    place.run(f"cd {quote(str(ROOT))} && {command} --dry-run", 0)


def load(more: str) -> Callable[[str, Place], None]:
    """A load, shorter: it leaves a result, fine or critical or too short to be believed."""

    def run(command: str, place: Place) -> None:
        results = place.folder / f"{len(list(place.folder.iterdir()))}"
        command = command.replace("--rate 2000", "--rate 50").replace("--warmup 5s", "--warmup 1s")
        command = command.replace("capacity.html", f"{place.folder}/capacity.html")
        place.run(f"{command} {more} {results}", 0, 1, 4)
        assert list(results.glob("*.json"))
        assert "--html" not in command or (place.folder / "capacity.html").exists()

    return run


def doctor(command: str, place: Place) -> None:
    """It looks at everything, and may find this machine busy."""
    assert "ok" in place.run(f"{command} --results {place.folder}", 0, 3)


def draft(command: str, place: Place) -> None:
    """A first suite for another service."""
    place.run(f"{command} -o {place.folder}/draft", 0)
    assert (place.folder / "draft" / "journeys.py").exists()


def reading(command: str, place: Place) -> None:
    """What reads results: here of two equal loads."""
    for results in (place.folder / "OLD", place.folder / "NEW"):
        if not results.exists():
            get = "straingauge run --get /health --duration 2s --rate 20"
            place.run(f"{get} --results {results}", 0, 1, 4)
    command = re.sub(r"results/(OLD|NEW)\.json", rf"{place.folder}/\1/*.json", command)
    command = command.replace("tests/performance/results/", f"{place.folder}/NEW")
    place.run(command.replace("history.html", f"{place.folder}/history.html"), 0, 1)


def master_and_worker(command: str, place: Place) -> None:
    """The master's line with the worker's, on a port of their own."""
    (worker,) = (line for line in shown() if line.startswith("locust") and "--worker" in line)
    port, results = free_port(), place.folder / "master"
    follows = place.start(f"{worker} --master-port {port}")
    try:
        place.run(
            f"{command} {LOCUST} {results} --expect-workers 1 --master-bind-port {port}", 0, 1, 4
        )
        assert list(results.glob("metrics_*.json"))
        follows.communicate(timeout=60)
        assert follows.returncode in {0, 1, 4}
    finally:
        if follows.poll() is None:
            follows.kill()
            follows.communicate()


LOCUST = "--headless --only-summary --users 2 --spawn-rate 2 --run-time 2s --load-results"
JOURNEYS = "the same, by journeys"
"""How the benchmark calls a Locust user that plays journeys."""

HOW = {
    "make ": make,
    "straingauge run ": load("--duration 1s --results"),
    "straingauge ab ": load("--base HEAD --budget 1s --warmup 200ms --results"),
    "straingauge capacity ": load(
        "--from 10 --max 10 --step 1s --warmup 200ms --confirmations 0 --results"
    ),
    "straingauge doctor ": doctor,
    "straingauge init ": draft,
    "straingauge history ": reading,
    "straingauge compare ": reading,
    "pytest ": load("-n 2 -p no:cacheprovider --load-results"),
    "locust .* --worker": lambda _command, _place: None,  # its master needs it, and runs it
    "locust .* --master": master_and_worker,
    "locust ": load(LOCUST),
}
"""How a command is run, by how it begins: the first that fits."""


@pytest.mark.parametrize("command", shown())
def test_command(command: str, place: Place):
    """A reader may copy it: it does what it is shown for."""
    how = next((run for begins, run in HOW.items() if re.match(begins, command)), None)
    assert how is not None, "nothing here says how to run it"
    how(command, place)


def test_verdicts_that_are_shown_were_given():
    """The README's table is that of the session whose summary lies in `docs/perf.json`."""
    (table,) = TABLE.findall((ROOT / "README.md").read_text())
    session = json.loads((ROOT / "docs" / "perf.json").read_text())
    lines = [line.split() for line in table.splitlines()]
    for (name, grade, requests, rate, errors, *percentiles), test in zip(
        lines, session["tests"], strict=True
    ):
        seen = test["metrics"]
        assert (name, grade) == (test["name"], test["grade"])
        assert int(requests) == seen["total_requests"]
        assert int(rate) == round(seen["throughput_rps"])
        assert errors == f"{seen['error_rate_percent']:.2f}%"
        for shown_ms, figure in zip(percentiles, ("p50_ms", "p95_ms", "p99_ms"), strict=True):
            assert float(shown_ms.lstrip("~")) == pytest.approx(seen[figure], rel=0.006)


def test_a_capacity_that_is_shown_was_found():
    """What TherapyBridge carries, by the guide, is what `docs/capacity.json` says was found."""
    found = json.loads((ROOT / "docs" / "capacity.json").read_text())
    assert f"```\n{summary(found)}```\n" in (ROOT / "docs" / "guide.md").read_text()


def test_speeds_that_are_shown_were_measured():
    """What one core sends, by the guide, is what the benchmark's kept figures say."""
    measured = json.loads((ROOT / "benchmarks" / "results" / "locust.json").read_text())["cases"]
    rates = [
        f"{measured[case]['generators'][JOURNEYS]['median']['rate_rps']:,}"
        for case in ("locust_get", "locust_mix")
    ]
    guide = (ROOT / "docs" / "guide.md").read_text()
    assert re.findall(r"(\d+,\d+)\s(?:GETs|requests)/s", guide) == rates


def test_the_comparisons_own_truth_was_seen():
    """How often A/B was right, by the guide, is what its benchmark's kept runs say."""
    runs = json.loads((ROOT / "benchmarks" / "results" / "ab_small.json").read_text())
    equal, slowed = ([run for run in runs if run["slowed"] == kind] for kind in (False, True))
    alarms = sum(bool(run["worse"]) for run in equal)
    found = sum(any(name.startswith("GET /list ") for name in run["worse"]) for run in slowed)
    longest_s = max(run["took_s"] for run in runs)
    guide = " ".join((ROOT / "docs" / "guide.md").read_text().split())
    assert f"{alarms} of {len(equal)} equal builds were called worse" in guide
    assert f"{found} of {len(slowed)} were found" in guide
    assert f"in {longest_s:.0f} s at most" in guide
