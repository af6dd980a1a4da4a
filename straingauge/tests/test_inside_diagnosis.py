"""Load on a small service with `Inside`: the observer reads it, and the diagnosis uses it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from formats import conforming
from load_project import wait_until
from straingauge.cli import main
from straingauge.target.ports import free_port

pytestmark = pytest.mark.serial

HERE = Path(__file__).parent
THRESHOLDS = """
[all]
error_rate_percent = { target = 1, warning = 5, critical = 10 }
p95_ms = { target = 100, warning = 150, critical = 200 }
"""


@contextmanager
def foreign_service() -> Iterator[str]:
    """Start the service with uvicorn; yield its URL."""
    port = free_port()
    uvicorn = [sys.executable, "-m", "uvicorn", "foreign_service:app", "--log-level", "warning"]
    with subprocess.Popen([*uvicorn, "--port", str(port)], cwd=HERE) as process:
        try:
            wait_until(lambda: answers(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def answers(port: int) -> bool:
    """Return true once the service answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection), suppress(ConnectionError):
        connection.request("GET", "/hello")
        return connection.getresponse().status == 200
    return False


def load(folder: Path, url: str, *options: str) -> dict[str, Any]:
    """Run a load; return its result."""
    thresholds = folder / "thresholds.toml"
    thresholds.write_text(THRESHOLDS)
    files = ["--thresholds", str(thresholds), "--results", str(folder)]
    done = CliRunner().invoke(main, ["run", "--host", url, *files, "--duration", "5s", *options])
    assert done.exit_code == 1, done.output
    (file,) = folder.glob("*.json")
    return conforming(file)


def test_an_exhausted_pool_is_the_first_cause(tmp_path: Path):
    """Waits for a pool's connection reach the result, and are named first."""
    with foreign_service() as url:
        result = load(tmp_path, url, "--get", "/books", "--users", "30")
    pool = result["resources"]["pool"]
    assert (pool["size"], pool["peak_in_use"]) == (2, 2)
    assert pool["peak_waiters"] > 10
    assert result["diagnosis"][0]["cause"] == "pool_exhausted"


def test_a_blocked_event_loop_is_the_first_cause(tmp_path: Path):
    """Blocks of the event loop reach the result, and are named first."""
    with foreign_service() as url:
        result = load(tmp_path, url, "--get", "/report", "--users", "20", "--rate", "60")
    assert result["resources"]["service"]["event_loop"]["blocks"] >= 3
    assert result["diagnosis"][0]["cause"] == "event_loop_blocked"
