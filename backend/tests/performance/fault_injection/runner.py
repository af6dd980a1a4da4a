"""Run the load tests of TherapyBridge against a service with a fault."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from tests.performance.fault_injection.catalogue import SETTINGS, Fault
from tests.performance.fault_injection.remote import remote_machine
from tests.performance.fault_injection.service_factory import ServiceFactory
from tests.performance.fault_injection.suite import run_load_tests, run_locust
from tests.performance.fault_injection.trial import Trial, evaluate, read_documents

SHORTER = {
    "SUSTAINED_LOAD_S": "5.5",
    "SUSTAINED_LOAD_RPS": "50",
    "LEAK_LOAD_S": "10.5",
    "LOAD_COOLDOWN_S": "0.2",
    "LOAD_WAVES": "4",
    "LOAD_WAVE_S": "0.3",
    "POOL_ROUNDS": "6",
    "JOB_TIMEOUT_S": "10",
}
"""Shorter load tests with the same thresholds."""

Runner = Literal["pytest", "locust", "remote"]


def run_trial(
    fault: Fault,
    factory: ServiceFactory,
    results: Path,
    *,
    repeated: bool = False,
    runner: Runner = "pytest",
) -> Trial:
    """Start the service with a fault, run the load tests and read their results.

    Args:
        fault: The fault to inject.
        factory: Starts the service.
        results: Folder for the result files.
        repeated: True for the second attempt.
        runner: "pytest" for `pytest_load_test.py` on this machine, "remote" for the same on a
            simulated remote machine, "locust" for `load_test.py`, where any run may detect it.

    Raises:
        TargetError: The service does not start.
        UsageError: The remote machine cannot be simulated here.
    """
    is_locust = runner == "locust"
    started_s = time.monotonic()
    with factory.start(fault) as stack:
        assert stack.database_url is not None
        env = {"DATABASE_URL": stack.database_url, **SETTINGS}
        if is_locust:
            output = run_locust(stack.url, results, env=env)
            fault = replace(fault, test="")
        elif runner == "remote":
            with remote_machine(stack.url, stack.database_url) as machine:
                env["DATABASE_URL"] = machine.database_url
                _, output = run_load_tests(
                    [],
                    machine.url,
                    results,
                    command_prefix=machine.command_prefix,
                    env=env | SHORTER,
                )
        else:
            _, output = run_load_tests(
                [],
                stack.url,
                results,
                options=("--load-profile",),  # these loads are too short for it by default
                env=env | SHORTER,
            )
    documents = read_documents(results)
    if is_locust:  # results of all Locust runs have the same name
        documents = [
            document | {"name": f"locust {folder.name}"}
            for folder in sorted(results.iterdir())
            for document in read_documents(folder)
        ]
    duration_s = time.monotonic() - started_s
    return evaluate(fault, documents, duration_s=duration_s, repeated=repeated, output=output)
