"""The memory pass follows a likely leak of memory or threads, unless an option says otherwise."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from straingauge.http import Request
from straingauge.inside.probe import sitecustomize
from straingauge.journey import User, mix
from straingauge.runner import LoadSpec, MemoryPass
from straingauge.schedule import constant_users
from straingauge.target.started_service import StartedService


def measured(
    monkeypatch: pytest.MonkeyPatch,
    *,
    wanted: bool | None,
    grade: str = "warning",
    confidence: float = 0.9,
    cause: str = "memory_leak",
) -> bool:
    """Return True if a pass is made for a started service after a run with this leak."""

    def visit(user: User) -> Any:  # noqa: ANN401  a generator of requests
        yield Request("GET", f"/{user.index}")

    spec = LoadSpec(
        name="load",
        test="load",
        test_file=Path(__file__),
        journeys=mix(visit),
        schedule=constant_users(count=1, iterations=1),
        users=[User(0)],
        memory_probe=wanted,
    )
    result: Any = {
        "verdict": {"grade": grade},
        "diagnosis": [{"cause": cause, "confidence": confidence}],
    }
    assert wanted or MemoryPass(spec, None)(result) == {}
    monkeypatch.setattr(MemoryPass, "_measure", lambda _self, _started: {"memory": "measured"})
    started = StartedService(1, None, Any)  # type: ignore[arg-type]  not used
    return bool(MemoryPass(spec, started)(result))


@pytest.mark.parametrize(
    ("wanted", "grade", "confidence", "expected"),
    [
        (None, "warning", 0.9, True),
        (None, "warning", 0.4, False),
        (None, "target", 0.9, False),
        (False, "critical", 0.9, False),
        (True, "target", 0.0, True),
    ],
)
def test_a_likely_leak_is_examined(
    monkeypatch: pytest.MonkeyPatch,
    grade: str,
    confidence: float,
    *,
    wanted: bool | None,
    expected: bool,
) -> None:
    """By default a failed run with a likely leak is; an option says always or never."""
    found = measured(monkeypatch, wanted=wanted, grade=grade, confidence=confidence)
    assert found is expected


@pytest.mark.parametrize(
    ("cause", "expected"), [("thread_leak", True), ("file_leak", False), ("cpu_bound", False)]
)
def test_a_likely_leak_of_threads_is_examined(
    monkeypatch: pytest.MonkeyPatch, cause: str, *, expected: bool
) -> None:
    """Threads have a line that creates them, as memory has; other causes start no pass."""
    assert measured(monkeypatch, wanted=None, cause=cause) is expected


def test_the_probe_traces_from_the_first_snapshot_on() -> None:
    """A service starts untraced, and only what it allocates later counts."""
    code = (
        f"import sys; sys.path.insert(0, {str(Path(sitecustomize.__file__).parent)!r})\n"
        "import sitecustomize, tracemalloc\n"
        "before = bytearray(1_000_000)\n"
        "assert not tracemalloc.is_tracing()\n"
        "first = sitecustomize.memory()\n"
        "kept = bytearray(500_000)\n"
        "print([each['bytes'] for each in (first, sitecustomize.memory()) for each in"
        " each['allocations'] if each['bytes'] > 400_000])\n"
    )
    env = {**os.environ, sitecustomize.MEMORY: "2", sitecustomize.FOLDER: ""}
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    (size,) = ast.literal_eval(done.stdout)
    assert 500_000 <= size < 600_000
