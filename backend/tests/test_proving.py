"""Tests of the proving ground itself: what is planted, and when a trial counts as right."""

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
from tests.performance.proving import __main__ as proving
from tests.performance.proving.catalogue import ALL, FAULTS, FURTHER, HEALTHY, Plant, named
from tests.performance.proving.elsewhere import another_machine
from tests.performance.proving.table import as_markdown, line, score
from tests.performance.proving.trial import Alarm, Trial

from straingauge import UsageError

FAULT = Plant("slow", "it is slow", ("slow_tail",), test="sustained_load")
FINE = Plant("fine", "it is fine")
SLOW = Alarm("sustained_load", "warning", "p99_ms = 900")
ELSEWHERE = Alarm("concurrent_uploads", "critical", "lost")


def trial(
    plant: Plant,
    *alarms: Alarm,
    invalid: Sequence[tuple[str, str]] = (),
    causes: Sequence[str] = (),
) -> Trial:
    """A trial that went like this."""
    diagnosis = [
        {"cause": cause, "title": cause.title(), "confidence": 0.9, "evidence": ["p99 = 900 ms"],
         "advice": ["mend it"], "tests": ["sustained_load"]}
        for cause in causes
    ]  # fmt: skip
    cost = [0.4, 0.6, 0.5]
    return Trial(plant, alarms, invalid, diagnosis, 30, False, "", observer_cpu_percent=cost)  # noqa: FBT003


def test_catalogue_is_complete():
    """There are 29 faults and 9 healthy services, each with a name of its own."""
    assert (len(FAULTS), len(HEALTHY), len(ALL)) == (29, 9, 38 + len(FURTHER))
    assert all(not plant.is_healthy for plant in FAULTS)
    assert all(plant.is_healthy for plant in HEALTHY)


def test_causes_are_known():
    """Each fault expects causes that straingauge can name."""
    assert {cause for plant in FAULTS for cause in plant.causes} <= set(CAUSES)


@pytest.mark.parametrize("plant", ALL.values(), ids=lambda plant: plant.name)
def test_factory_exists(plant: Plant):
    """What is to be served can be imported, and takes no arguments."""
    module, _, factory = plant.served.partition(":")
    assert plant.app == "" or callable(getattr(importlib.import_module(module), factory))


def test_unknown_name():
    """A name that nothing is planted under is said, with how to see which there are."""
    with pytest.raises(UsageError, match="nothing is planted under the name nonsense") as raised:
        named(["limiter_off", "nonsense"])
    assert "--list" in str(raised.value.hint)


def test_found_fault_is_right():
    """A fault is found by an alarm of the test that is there for it."""
    found = trial(FAULT, SLOW, causes=["slow_tail", "freeze"])
    assert found.right
    assert found.named


def test_missed_fault_is_wrong():
    """A fault that nothing alarms of is missed, and so is one that only another test alarms of."""
    assert not trial(FAULT).right
    assert not trial(FAULT, ELSEWHERE).right
    assert "MISSED" in line(trial(FAULT, ELSEWHERE))


def test_wrong_cause_is_told():
    """A cause that is named second is not named."""
    second = trial(FAULT, SLOW, causes=["freeze", "slow_tail"])
    assert second.right
    assert not second.named
    assert "freeze (wrong)" in line(second)


def test_false_alarm_is_wrong():
    """Any alarm on a healthy service is false, and a run that says nothing is not silence."""
    assert trial(FINE).right
    assert not trial(FINE, SLOW).right
    unmeasured = trial(FINE, invalid=[("sustained_load", "generator_late")])
    assert not unmeasured.right
    assert unmeasured.disturbed
    assert not trial(FINE, invalid=[("sustained_load", "no_data")]).disturbed


def test_score_and_page():
    """The score counts faults found and named and false alarms; the page names its command."""
    trials = [
        trial(FAULT, SLOW, causes=["slow_tail"]),
        trial(FAULT),
        trial(FINE),
        trial(FINE, SLOW),
    ]
    assert "faults found        1 of 2" in score(trials)
    assert "cause named first   1 of 2" in score(trials)
    assert "false alarms        1 of 2" in score(trials)
    assert "watching cost       0.5 % of a core (median of 12 load tests; most 0.6)" in score(
        trials
    )
    page = as_markdown(trials, 'make prove ARGS="slow fine"')
    assert '`make prove ARGS="slow fine"`' in page
    assert "**Slow_Tail** (slow_tail, confidence 0.90)" in page
    assert page.index("- p99 = 900 ms") < page.index("- mend it")


@pytest.mark.parametrize(
    ("alarms", "cause", "code"),
    [((SLOW,), "slow_tail", 0), ((SLOW,), "freeze", 1), ((), "slow_tail", 1)],
)
def test_exit_code(alarms: Sequence[Alarm], cause: str, code: int, monkeypatch: pytest.MonkeyPatch):
    """A miss is the exit code, and so is a wrong cause."""
    tried = trial(FAULT, *alarms, causes=[cause])
    monkeypatch.setattr(proving, "_proved", lambda *_, **__: iter([tried]))
    assert proving.main(["limiter_off"]) == code


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare"))),
    reason="another machine takes root, ip and unshare",
)
def test_another_machine(server_url: str, tmp_path: Path):
    """What runs there reaches the service by another address, and sees none of our processes."""
    (tmp_path / "here").write_text("it is")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with another_machine(url, server_url) as machine:
            done = subprocess.run(
                [*machine.by, sys.executable, "-c", THERE, url, machine.url, machine.database_url],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
        server.shutdown()
    assert done.stdout.split("\n") == ["refused", "it is", "prove_reader", "[1]", ""]


THERE = """
import asyncio, sys, urllib.error, urllib.request
import asyncpg, psutil
loopback, url, database_url = sys.argv[1:]
try:
    urllib.request.urlopen(f"{loopback}/here")
except urllib.error.URLError:
    print("refused")
print(urllib.request.urlopen(f"{url}/here").read().decode())
async def who():
    connection = await asyncpg.connect(database_url)
    print(await connection.fetchval("SELECT current_user"))
asyncio.run(who())
print(psutil.pids())
"""
