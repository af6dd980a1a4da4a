"""The example with a log-in form, played by the command line, pytest and Locust."""

import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.serial  # three programs at once

EXAMPLE = Path(__file__).parents[1] / "examples" / "portal"
ENDPOINTS = ["GET /notes", "GET /notes/{id}", "POST /notes"]
COMMANDS = {
    "run": ["straingauge", "run", "journeys.py", "--duration", "1s", "--think", "50ms", "--host"],
    "pytest": ["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--load-host"],
    "locust": ["python", "-m", "locust", "--headless", "-u", "4", "-r", "4", "-t", "3s", "--host"],
}


@dataclass
class Played:
    """The requests that a portal received, and the result of the load.

    Attributes:
        requests: each kind of request: method and path, names of cookies, names of headers.
        result: the result file.
    """

    requests: set[tuple[str, ...]] = field(default_factory=set)
    result: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def service() -> ModuleType:
    """The module of the service, which runs in this process."""
    sys.path.insert(0, str(EXAMPLE))
    try:
        spec = importlib.util.spec_from_file_location("portal_service", EXAMPLE / "service.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(EXAMPLE))
    return module


@contextmanager
def portal(service: ModuleType, certificates: Path, played: Played) -> Iterator[str]:
    """Run a portal in a thread, and note what it receives; yield its URL."""

    class Handler(service.Handler):  # type: ignore[name-defined,misc]
        def parse_request(self) -> bool:
            parsed: bool = super().parse_request()
            if parsed and self.path != "/metrics":
                path = "/".join("{id}" if each.isdigit() else each for each in self.path.split("/"))
                cookies = ",".join(sorted(SimpleCookie(self.headers.get("Cookie", ""))))
                names = ",".join(sorted({name.lower() for name in self.headers} - {"traceparent"}))
                played.requests.add((f"{self.command} {path}", cookies, names))
            return parsed

    server = service.Portal(0, certificates)
    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def playing(command: list[str], folder: Path, url: str) -> Iterator[None]:
    """Run a command of the example in its folder during the block, to its end."""
    program = Path(sys.executable).with_name(command[0])
    with subprocess.Popen(
        [str(program), *command[1:], url],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield
        output, _ = process.communicate(timeout=120)
        # The verdict depends on how busy this machine is; the result is there in any case.
        assert list((folder / "results").glob("*_*.json")), output


@pytest.fixture(scope="module")
def played(service: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Played]:
    """The example, played by each of the three at the same time."""
    found = {name: Played() for name in COMMANDS}
    root = tmp_path_factory.mktemp("portal")
    with ExitStack() as stack:
        for name, command in COMMANDS.items():
            folder = root / name
            shutil.copytree(
                EXAMPLE, folder, ignore=shutil.ignore_patterns("certificates", "results")
            )
            service.certificates.make(root / "certificates")
            shutil.copytree(root / "certificates", folder / "certificates")
            url = stack.enter_context(portal(service, folder / "certificates", found[name]))
            stack.enter_context(playing(command, folder, url))
    for name, each in found.items():
        (file,) = (root / name / "results").glob("*_*.json")
        each.result = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_each_plays_the_example_without_errors(played: dict[str, Played], name: str):
    """Members log in once each, read and write, and no request fails."""
    result = played[name].result
    assert sorted(result["endpoints"]) == ENDPOINTS
    assert result["metrics"]["error_rate_percent"] == 0
    shown, written = (result["endpoints"][each]["total_requests"] for each in ENDPOINTS[1:])
    assert min(shown, written) > 0
    # The end of a load of constant users may cut off a user between two requests of a journey.
    cut_off = 0 if name == "pytest" else result["configuration"]["users"]
    assert abs(shown - written) <= cut_off


def test_all_send_the_same_requests(played: dict[str, Played]):
    """Requests of the three have the same paths, cookies and headers."""
    assert {each[0] for each in played["run"].requests} == {
        *("GET /portal/login", "POST /portal/login", "GET /portal/notes", "POST /portal/notes"),
        "GET /portal/notes/{id}",
    }
    assert played["run"].requests == played["pytest"].requests == played["locust"].requests
