"""Tests of the load tests: a planted fault fails the right one, for the right reason.

Each runs one load test in a process of its own, as an engineer would, against the real service with
one fault (performance/proving), and against the same service without it. What is looked at is the
finding by its name: how fast this machine is decides nothing. `make prove` does so for all faults,
with all load tests, and has them name the cause.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.performance.proving.catalogue import ALL, SETTINGS, Plant
from tests.performance.proving.ground import Ground
from tests.performance.proving.suite import run_load_tests

SHORTER = {
    "SUSTAINED_LOAD_S": "6",
    "SUSTAINED_LOAD_RPS": "50",
    "LEAK_LOAD_S": "9",
    "LOAD_QUIET_S": "0.2",
}
"""Another length of the same load; no threshold is another."""


@dataclass(frozen=True, slots=True)
class Defect:
    """What is planted, which test must fail, which of its findings, and what that must say."""

    planted: str
    test: str
    rule: str
    says: str

    @property
    def plant(self) -> Plant:
        """What is planted."""
        return ALL.get(self.planted) or Plant(self.planted, "", app=f"errors:{self.planted}")


DEFECTS = [
    Defect("uploads_422", "concurrent_uploads", "error_rate_percent", "status 422, expected 202"),
    Defect("uploads_not_stored", "concurrent_uploads", "ledger", "and is not there (404)"),
    Defect("uploads_altered", "concurrent_uploads", "ledger", "as it was acknowledged"),
    Defect("uploads_doubled", "concurrent_uploads", "ledger", "sent once and is there twice"),
    Defect("limiter_off", "rate_limit_enforcement", "first 429", "is the limiter off?"),
    Defect("limiter_per_process", "rate_limit_enforcement", "other connections", "were served"),
    Defect("retry_after_gone", "rate_limit_enforcement", "Retry-After", "missing on the 429"),
    Defect("errors_500", "sustained_load", "error_rate_percent", "status 500, expected 200"),
    Defect("tenants_mixed", "sustained_load", "ledger", "another user could read /api/sessions/"),
    Defect(
        "small_pool",
        "database_pool_stress",
        "pool queue",
        "requests waited for 2 database connections",
    ),
    Defect("leak_50_kb", "memory_leak_detection", "steady memory growth", "had not stopped"),
]


PLANTED = [
    # A leak is judged by its growth over time: a generator that is late judges nothing.
    pytest.param(each, id=each.planted, marks=[pytest.mark.serial] * (each.planted == "leak_50_kb"))
    for each in DEFECTS
]


@dataclass(frozen=True, slots=True)
class Played:
    """One load test as it went: what was printed, and what the file says."""

    exit_code: int
    output: str
    result: dict[str, Any]

    def grades(self, rule: str) -> set[str]:
        """What the findings of this name earned."""
        entries = self.result["verdict"]["findings"]
        return {entry["grade"] for entry in entries if entry["rule"] == rule}

    def says(self, rule: str) -> str:
        """The critical findings of this name and the first errors, one a line, from the file.

        On the terminal they are missing where the run is invalid as well, since this machine was
        too busy to send on time.
        """
        found = [
            entry["message"]
            for entry in self.result["verdict"]["findings"]
            if entry["rule"] == rule and entry["grade"] == "critical"
        ]
        errors = [example["detail"] for example in self.result["errors"]["examples"]]
        return "\n".join(found + errors)


def play(tests: Collection[str], url: str, results: Path) -> dict[str, Played]:
    """Run load tests against the service at `url`, in one process; gives each by its name."""
    exit_code, output = run_load_tests(tests, url, results, **SETTINGS, **SHORTER)
    files = {test: list(results.glob(f"{test}_*.json")) for test in tests}
    assert all(len(found) == 1 for found in files.values()), output
    return {
        test: Played(exit_code, output, json.loads(found[0].read_text()))
        for test, found in files.items()
    }


@pytest.fixture(scope="session")  # so that the tests may be on any worker of xdist
def ground() -> Iterator[Ground]:
    """Where services are started, each on a seeded database of its own."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEED_SESSIONS", "4000")
        with Ground() as ground:
            yield ground


@pytest.fixture(scope="module")
def played(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """All those load tests, on the service as it is."""
    tests = sorted({defect.test for defect in DEFECTS})
    with ground.grown(ALL["as_it_is"]) as stand:
        return play(tests, stand.url, tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize("defect", PLANTED)
def test_planted_defect_fails_its_test(defect: Defect, ground: Ground, tmp_path: Path):
    """The load test that is there for a defect fails on it, and says what it is."""
    with ground.grown(defect.plant) as stand:
        found = play([defect.test], stand.url, tmp_path)[defect.test]
    assert found.exit_code == 1, found.output
    assert "critical" in found.grades(defect.rule), found.output
    assert defect.says in found.says(defect.rule)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.planted)
def test_healthy_service_has_no_such_defect(defect: Defect, played: dict[str, Played]):
    """On the service as it is, the load test does not find the defect."""
    found = played[defect.test]
    assert found.grades(defect.rule) <= {"target", "acceptable"}, found.output
