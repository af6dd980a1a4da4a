"""Lines of a real service that raise exceptions, and that start threads which never end."""

import json
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from straingauge.http import Request, Response
from straingauge.journey import User, mix
from straingauge.runner import LoadRunner, LoadSpec, LoginCache, MemoryPass, memory_pass
from straingauge.schedule import constant_users
from straingauge.target import ServiceStack, StackConfig
from straingauge.workers import Coordinator, WorkerClient

pytestmark = pytest.mark.e2e

SERVICE = Path(__file__).with_name("failing_service.py")
TEST = "test_it.py::test_load"
FAILURES = 7


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[ServiceStack]:
    """The service, started as a user does."""
    command = ["{python}", str(SERVICE), "{port}"]
    path = tmp_path / "straingauge.toml"
    path.write_text(f"[service]\ncommand = {json.dumps(command)}\nstop_within_s = 1\n")
    with ServiceStack(StackConfig.from_file(path)) as stack:
        yield stack


def get(user: User) -> Generator[Request, Response, None]:
    """Request a page that fails, and one that leaves a thread behind."""
    yield user.get("/fail", expect=(500,))
    yield user.get("/thread")


def spec_of(iterations: int) -> LoadSpec:
    """Return a load of one user."""
    return LoadSpec(
        name="load",
        test=TEST,
        test_file=Path(__file__),
        journeys=mix(get),
        schedule=constant_users(count=1, iterations=iterations),
        users=[User(0)],
        cooldown_s=0.0,
        memory_probe=True,
    )


def line_of(text: str) -> int:
    """Return the line of the service that has a text."""
    lines = SERVICE.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_exceptions_in_the_log_during_the_load_are_in_the_report(stack: ServiceStack):
    """The process that observes the service reads its log, and reports the line of each."""
    coordinator = Coordinator(lambda *_: stack.url, cores=1, locate_started=lambda: stack.started)
    try:
        client = WorkerClient("gw0", coordinator.connection_info, (TEST,))
        merged = LoadRunner(spec_of(FAILURES), client, "gw0").run(LoginCache())
    finally:
        coordinator.close()
    assert merged is not None
    (found,) = (each for report in merged.reports for each in report.exceptions)
    assert found["file"].endswith("tests/failing_service.py")
    expected = {"type": "LookupError", "function": "find_page", "count": FAILURES}
    assert found.items() >= {**expected, "line": line_of("raise LookupError")}.items()


def test_the_memory_pass_names_the_line_that_starts_threads(
    stack: ServiceStack, monkeypatch: pytest.MonkeyPatch
):
    """The second instance shows which line creates the threads that do not end."""
    for name in ("WARM_UP_S", "HALF_S"):
        monkeypatch.setattr(memory_pass, name, 1.0)
    result: object = {"verdict": {"grade": "warning"}, "diagnosis": []}
    found = MemoryPass(spec_of(1), stack.started)(result)["memory"]  # type: ignore[arg-type]  only these two are read
    assert found["notes"] == []
    (threads,) = found["threads"]
    assert threads["file"].endswith("tests/failing_service.py")
    assert threads["line"] == line_of("threading.Event().wait")
    assert threads["target"] == "Event.wait"
    assert 0.08 < threads["threads_per_request"] < 0.17  # of the two requests of a journey: 1/8
