"""The catalogue of faults, the evaluation of trials, and the simulated remote machine."""

import importlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from straingauge.diagnosis import CAUSES
from tests.performance.fault_injection import __main__ as fault_injection
from tests.performance.fault_injection.catalogue import (
    ALL,
    FAULTS,
    HEALTHY,
    HELD_OUT,
    Fault,
    select,
)
from tests.performance.fault_injection.remote import READER, remote_machine
from tests.performance.fault_injection.table import as_markdown, row, summary
from tests.performance.fault_injection.trial import Alarm, Trial

from straingauge import UsageError

FAULT = Fault("slow", "it is slow", ("slow_tail",), test="sustained_load")
UNMODIFIED = Fault("unmodified", "no fault")
ALARM = Alarm("sustained_load", "warning", "p99 900 ms, warning from 500 ms")
ALARM_OF_OTHER_TEST = Alarm("concurrent_uploads", "critical", "lost")


def trial(
    fault: Fault,
    *alarms: Alarm,
    invalid: Sequence[tuple[str, str]] = (),
    causes: Sequence[str] = (),
) -> Trial:
    """Create a trial with these alarms and causes."""
    diagnosis = [
        {
            "cause": cause,
            "title": cause.title(),
            "confidence": 0.9,
            "evidence": ["p99 = 900 ms"],
            "advice": ["fix it"],
            "tests": ["sustained_load"],
        }
        for cause in causes
    ]
    return Trial(
        fault=fault,
        alarms=alarms,
        invalid=invalid,
        diagnosis=diagnosis,
        duration_s=30,
        repeated=False,
        output="",
        observer_cpu_percent=[0.4, 0.6, 0.5],
    )


def test_catalogue_is_complete():
    """The catalogue has 39 faults and 9 healthy services with unique names."""
    assert (len(FAULTS), len(HEALTHY), len(ALL)) == (39, 9, 48 + len(HELD_OUT))
    assert all(not fault.is_healthy for fault in FAULTS)
    assert all(fault.is_healthy for fault in HEALTHY)


def test_causes_are_known():
    """Each expected cause exists in straingauge."""
    assert {cause for fault in FAULTS for cause in fault.causes} <= set(CAUSES)


@pytest.mark.parametrize("fault", ALL.values(), ids=lambda fault: fault.name)
def test_app_factory_exists(fault: Fault):
    """The app of each fault can be imported."""
    module, _, factory = fault.import_string.partition(":")
    assert fault.app == "" or callable(getattr(importlib.import_module(module), factory))


def test_unknown_name_is_an_error():
    """An unknown name is an error with a hint to the list of faults."""
    with pytest.raises(UsageError, match="unknown fault: nonsense") as raised:
        select(["limiter_off", "nonsense"])
    assert "--list" in str(raised.value.hint)


def test_alarm_detects_the_fault():
    """An alarm of the test that covers a fault detects it."""
    detected = trial(FAULT, ALARM, causes=["slow_tail", "freeze"])
    assert detected.is_correct
    assert detected.is_cause_correct


def test_fault_without_alarm_is_missed():
    """A fault is missed if no alarm, or only another test, reports it."""
    assert not trial(FAULT).is_correct
    assert not trial(FAULT, ALARM_OF_OTHER_TEST).is_correct
    assert "MISSED" in row(trial(FAULT, ALARM_OF_OTHER_TEST))


def test_first_cause_counts():
    """A diagnosis is correct only if its first cause is."""
    second = trial(FAULT, ALARM, causes=["freeze", "slow_tail"])
    assert second.is_correct
    assert not second.is_cause_correct
    assert "freeze (wrong)" in row(second)


def test_alarm_on_healthy_service_is_false():
    """On a healthy service, any alarm is wrong, and so is an invalid result."""
    assert trial(UNMODIFIED).is_correct
    assert not trial(UNMODIFIED, ALARM).is_correct
    invalid = trial(UNMODIFIED, invalid=[("sustained_load", "generator_late")])
    assert not invalid.is_correct
    assert invalid.is_disturbed
    assert not trial(UNMODIFIED, invalid=[("sustained_load", "no_data")]).is_disturbed


def test_summary_and_markdown():
    """The summary counts detections, correct causes and false alarms; the page shows evidence."""
    trials = [
        trial(FAULT, ALARM, causes=["slow_tail"]),
        trial(FAULT),
        trial(UNMODIFIED),
        trial(UNMODIFIED, ALARM),
    ]
    text = summary(trials)
    assert "faults detected     1 of 2" in text
    assert "first cause right   1 of 2" in text
    assert "false alarms        1 of 2" in text
    assert "observer CPU        0.5 % of a core (median of 12 load tests, max. 0.6)" in text
    page = as_markdown(trials, 'make faults ARGS="slow unmodified"')
    assert '`make faults ARGS="slow unmodified"`' in page
    assert "**Slow_Tail** (slow_tail, confidence 0.90)" in page
    assert page.index("- p99 = 900 ms") < page.index("- fix it")


@pytest.mark.parametrize(
    ("alarms", "cause", "code"),
    [((ALARM,), "slow_tail", 0), ((ALARM,), "freeze", 1), ((), "slow_tail", 1)],
)
def test_exit_code(alarms: Sequence[Alarm], cause: str, code: int, monkeypatch: pytest.MonkeyPatch):
    """A missed fault and a wrong cause lead to exit code 1."""
    finished = trial(FAULT, *alarms, causes=[cause])
    monkeypatch.setattr(fault_injection, "_run_trials", lambda *_, **__: iter([finished]))
    assert fault_injection.main(["limiter_off"]) == code


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))),
    reason="a simulated remote machine needs root, ip and unshare",
)
def test_remote_machine(server_url: str, tmp_path: Path):
    """A process there reaches the service by another address and cannot see other processes."""
    (tmp_path / "file").write_text("content")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with remote_machine(url, server_url) as machine:
            done = subprocess.run(
                [
                    *machine.command_prefix,
                    sys.executable,
                    "-c",
                    SCRIPT,
                    url,
                    machine.url,
                    machine.database_url,
                ],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        server.shutdown()
    assert done.stdout.split("\n") == ["refused", "content", READER, "[1]", ""]


SCRIPT = """
import asyncio, sys, urllib.error, urllib.request
import asyncpg, psutil
loopback, url, database_url = sys.argv[1:]
try:
    urllib.request.urlopen(f"{loopback}/file")
except urllib.error.URLError:
    print("refused")
print(urllib.request.urlopen(f"{url}/file").read().decode())
async def print_user():
    connection = await asyncpg.connect(database_url)
    print(await connection.fetchval("SELECT current_user"))
asyncio.run(print_user())
print(psutil.pids())
"""
