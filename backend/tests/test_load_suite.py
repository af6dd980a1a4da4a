"""An injected fault fails the right load test for the right reason.

Each test runs one load test in a separate process against the real service with one fault
(performance/fault_injection), and against the service without it. It evaluates a finding by its
rule, which does not depend on the speed of the machine. `make faults` runs all load tests for all
faults and checks the diagnosis, too.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from openai_server import CannedResponse, OpenAIServer
from tests.performance.fault_injection.catalogue import ALL, SETTINGS, Fault
from tests.performance.fault_injection.service_factory import ServiceFactory
from tests.performance.fault_injection.suite import run_load_tests

pytestmark = pytest.mark.e2e

SHORTER = {
    "SUSTAINED_LOAD_S": "6",
    "SUSTAINED_LOAD_RPS": "50",
    "LEAK_LOAD_S": "9",
    "LOAD_COOLDOWN_S": "0.2",
}
"""Shorter load tests with the same thresholds."""

WRITES = "acknowledged writes"


@dataclass(frozen=True, slots=True)
class Expected:
    """An injected fault and the finding that must report it.

    Attributes:
        fault_name: Name of the fault.
        test: Load test that must fail.
        rule: Rule of the finding.
        text: Text in the message of the finding.
    """

    fault_name: str
    test: str
    rule: str
    text: str

    @property
    def fault(self) -> Fault:
        """The fault of this name."""
        return ALL.get(self.fault_name) or Fault(
            self.fault_name, "", app=f"errors:{self.fault_name}"
        )


EXPECTED = [
    Expected("uploads_422", "concurrent_uploads", "error_rate_percent", "status 422, expected 202"),
    Expected("uploads_not_stored", "concurrent_uploads", WRITES, "but is missing (404)"),
    Expected("uploads_altered", "concurrent_uploads", WRITES, "bytes read back differ"),
    Expected("uploads_duplicated", "concurrent_uploads", WRITES, "sent once and stored twice"),
    Expected("limiter_off", "rate_limit_enforcement", "first 429", "is the limiter off?"),
    Expected("limiter_per_process", "rate_limit_enforcement", "other connections", "were served"),
    Expected("limiter_leaky", "rate_limit_enforcement", "after the 429", "more requests were"),
    Expected("limiter_shared", "rate_limit_enforcement", "other users", "the first after"),
    Expected("retry_after_missing", "rate_limit_enforcement", "Retry-After", "missing on the 429"),
    Expected("errors_500", "sustained_load", "error_rate_percent", "status 500, expected 200"),
    Expected("tenants_mixed", "sustained_load", WRITES, "another user could read /api/sessions/"),
    Expected(
        "small_pool",
        "database_pool_stress",
        "pool queue",
        "requests waited for 2 database connections",
    ),
    Expected("leak_50_kb", "memory_leak_detection", "steady memory growth", "had not stopped"),
]


INJECTED = [
    pytest.param(
        expected,
        id=expected.fault_name,
        # Memory growth over time cannot be evaluated if the load generator is late. The others
        # share one server with one seeded database.
        marks=pytest.mark.serial
        if expected.fault_name == "leak_50_kb"
        else pytest.mark.xdist_group("injected"),
    )
    for expected in EXPECTED
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one load test: exit code, output and result file."""

    exit_code: int
    output: str
    result: dict[str, Any]

    def grades(self, rule: str) -> set[str]:
        """Return the grades of a rule's findings."""
        entries = self.result["verdict"]["findings"]
        return {entry["grade"] for entry in entries if entry["rule"] == rule}

    def messages(self, rule: str) -> str:
        """Return the critical findings of a rule and the first errors, one per line.

        They are read from the file, because the terminal omits them if the run is invalid, for
        example because this machine was too busy.
        """
        messages = [
            entry["message"]
            for entry in self.result["verdict"]["findings"]
            if entry["rule"] == rule and entry["grade"] == "critical"
        ]
        errors = [example["detail"] for example in self.result["errors"]["examples"]]
        return "\n".join(messages + errors)


def run(tests: Collection[str], url: str, results: Path, **env: str) -> dict[str, Outcome]:
    """Run load tests against a service in one process; return the outcomes by name."""
    exit_code, output = run_load_tests(tests, url, results, env=SETTINGS | SHORTER | env)
    files = {test: list(results.glob(f"{test}_*.json")) for test in tests}
    assert all(len(paths) == 1 for paths in files.values()), output
    return {
        test: Outcome(exit_code, output, json.loads(paths[0].read_text()))
        for test, paths in files.items()
    }


@pytest.fixture(scope="session")
def factory() -> Iterator[ServiceFactory]:
    """Starts services, each on its own seeded database."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SEED_SESSIONS", "4000")
        with ServiceFactory() as factory:
            yield factory


@pytest.fixture(scope="session")
def healthy(
    factory: ServiceFactory, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """Outcomes of all these load tests against the unmodified service.

    Its jobs take transcripts from an endpoint; to decode speech would be a third of the CPU time.
    """
    tests = sorted({expected.test for expected in EXPECTED})
    with OpenAIServer() as endpoint:
        endpoint.respond_with(CannedResponse({"text": "I slept better this week."}))
        env = {
            "TRANSCRIBER": "openai",
            "OPENAI_API_KEY": "sk-for-tests",
            "OPENAI_BASE_URL": endpoint.url,
        }
        with factory.start(replace(ALL["unmodified"], env=env)) as stack:
            outcomes = run(tests, stack.url, tmp_path_factory.mktemp("results"))
        assert endpoint.requests  # jobs run during the load tests
    return outcomes


@pytest.mark.parametrize("expected", INJECTED)
def test_injected_fault_fails_its_test(expected: Expected, factory: ServiceFactory, tmp_path: Path):
    """A load test fails on the fault it covers and describes it."""
    # No fault here concerns jobs, which only run on the unmodified service.
    fault = replace(expected.fault, env=expected.fault.env | {"JOB_WORKER": "false"})
    with factory.start(fault) as stack:
        outcomes = run([expected.test], stack.url, tmp_path, JOB_TIMEOUT_S="0")
    outcome = outcomes[expected.test]
    assert outcome.exit_code == 1, outcome.output
    assert "critical" in outcome.grades(expected.rule), outcome.output
    assert expected.text in outcome.messages(expected.rule)


@pytest.mark.xdist_group("unmodified")  # so that one worker runs the load tests, once
@pytest.mark.parametrize("expected", EXPECTED, ids=lambda expected: expected.fault_name)
def test_unmodified_service_passes(expected: Expected, healthy: dict[str, Outcome]):
    """The finding that reports a fault passes on the unmodified service."""
    outcome = healthy[expected.test]
    assert outcome.grades(expected.rule) <= {"target", "acceptable"}, outcome.output
