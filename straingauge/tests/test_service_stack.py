import os
import socket
import urllib.request
from pathlib import Path

import psutil
import pytest
from stack_tools import runs, sql, write_stack_config
from straingauge.errors import TargetError
from straingauge.target import Postgres, ServiceStack, ports, service_stack

PREPARE = """
[[prepare]]
name = "tables"
command = ["{python}", "-c", "import os; open('prepared', 'a').write(os.environ['DATABASE_URL'])"]
"""


@pytest.fixture(autouse=True)
def _no_database_of_the_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)


def get(url: str) -> str:
    """The body of a GET."""
    with urllib.request.urlopen(url) as answer:  # noqa: S310 - the address of the stack
        return str(answer.read().decode())


def postgres_servers() -> int:
    """Return the number of PostgreSQL servers that this process has started."""
    return sum(child.name() == "postgres" for child in psutil.Process().children())


def test_a_stand_serves_with_a_database_that_was_prepared(tmp_path: Path):
    """Database, steps and service are there, know each other, and are gone afterwards."""
    said: list[str] = []
    path = write_stack_config(tmp_path, postgres=True, prepare=PREPARE)
    with ServiceStack.from_file(path, say=said.append) as running:
        assert running.database_url
        assert get(running.url) == running.database_url == (tmp_path / "prepared").read_text()
        assert sql(running.database_url, "SELECT 1") == "1"
        assert "mode serve" in running.log_path.read_text()
        assert postgres_servers() == 1
        pid = running.pid
        assert runs(pid)
    assert said == ["starting PostgreSQL", "running tables", "starting the service"]
    assert not runs(pid)
    assert postgres_servers() == 0


def test_a_database_that_is_given_is_used_and_none_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With DATABASE_URL set no PostgreSQL starts; the steps run all the same."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@elsewhere/data")
    path = write_stack_config(tmp_path, postgres=True, prepare=PREPARE)
    with ServiceStack.from_file(path) as running:
        assert running.database_given
        assert postgres_servers() == 0
        assert get(running.url) == (tmp_path / "prepared").read_text() == os.environ["DATABASE_URL"]


def test_an_argument_goes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The database named in code is used, whatever the environment says."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment/data")
    path = write_stack_config(tmp_path, postgres=True)
    with ServiceStack.from_file(path, database_url="postgresql://argument/data") as running:
        assert get(running.url) == "postgresql://argument/data"


def test_there_are_connections_for_every_worker(tmp_path: Path):
    """PostgreSQL lets in what all workers' pools together may open, and some more."""
    with ServiceStack.from_file(write_stack_config(tmp_path, postgres=True), workers=8) as running:
        assert running.database_url
        assert int(sql(running.database_url, "SHOW max_connections")) >= 8 * 20 + 20


def test_two_stands_do_not_collide(tmp_path: Path):
    """Two stands of one file at once have a port each."""
    path = write_stack_config(tmp_path)
    with ServiceStack.from_file(path) as first, ServiceStack.from_file(path) as second:
        assert first.url != second.url
        assert get(first.url) == get(second.url) == ""


def test_a_port_in_use_names_its_holder(tmp_path: Path):
    """The process that holds the port is named, and how to take another port."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        expected = rf"port {port} is in use by process {os.getpid()} \(.*python"
        with (
            pytest.raises(TargetError, match=expected) as caught,
            ServiceStack.from_file(write_stack_config(tmp_path), port=port),
        ):
            pass
    assert f"--port {port + 1}" in str(caught.value.hint)


def test_a_port_that_cannot_be_is_refused(tmp_path: Path):
    """A port beyond 65535 is an error."""
    with (
        pytest.raises(TargetError, match="port 70000 cannot be used"),
        ServiceStack.from_file(write_stack_config(tmp_path), port=70000),
    ):
        pass


def test_a_port_lost_to_another_process_is_chosen_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A stranger that took the port first is not taken for our service, though it answers 200."""
    path = write_stack_config(tmp_path)
    with ServiceStack.from_file(path, database_url="postgresql://of/the/stranger") as stranger:
        lost = int(stranger.url.rsplit(":", 1)[1])
        chosen = iter([lost, ports.free_port()])
        monkeypatch.setattr(service_stack, "free_port", lambda: next(chosen))
        with ServiceStack.from_file(path, database_url="postgresql://ours") as running:
            assert running.url != stranger.url
            assert get(running.url) == "postgresql://ours"


def test_a_service_that_never_gets_ready_shows_its_log(tmp_path: Path):
    """When the time is up the error has the last answer and the log, and nothing keeps running."""
    path = write_stack_config(tmp_path, mode="unready", within_s=1)
    before = set(psutil.Process().children())
    with (
        pytest.raises(TargetError, match=r"(?s)not ready within 1 s \(GET /: 503\):.*mode unready"),
        ServiceStack.from_file(path),
    ):
        pass
    assert set(psutil.Process().children()) <= before


def test_a_service_that_ends_at_once_shows_its_log(tmp_path: Path):
    """A service that cannot start is reported with its exit code and log, without waiting."""
    with (
        pytest.raises(TargetError, match=r"(?s)ended with code 3 .*mode exit") as caught,
        ServiceStack.from_file(write_stack_config(tmp_path, mode="exit")),
    ):
        pass
    assert "tiny_service.py" in str(caught.value.hint)


def test_a_step_that_fails_stops_the_start_and_the_database(tmp_path: Path):
    """When a step fails the error has its log, and PostgreSQL does not stay."""
    prepare = PREPARE.replace("import os;", "raise SystemExit('no such table');")
    path = write_stack_config(tmp_path, postgres=True, prepare=prepare)
    with (
        pytest.raises(TargetError, match=r"(?s)tables failed .*no such table"),
        ServiceStack.from_file(path),
    ):
        pass
    assert postgres_servers() == 0


def test_a_stubborn_service_is_stopped_in_the_end(tmp_path: Path):
    """A service that ignores SIGTERM does not keep the stack from ending."""
    with ServiceStack.from_file(write_stack_config(tmp_path, mode="stubborn")) as running:
        pid = running.pid
    assert not runs(pid)


def test_a_service_that_dies_later_is_told_with_its_log(tmp_path: Path):
    """Waiting for the service reports its exit code and log."""
    with ServiceStack.from_file(write_stack_config(tmp_path)) as running:
        psutil.Process(running.pid).kill()
        with pytest.raises(TargetError, match=r"(?s)ended with code -9:.*mode serve"):
            running.wait()


def test_a_command_beside_the_service_knows_it(tmp_path: Path):
    """A command finds the service's address and database, and its exit code comes back."""
    path = write_stack_config(tmp_path)
    script = (
        "import os, sys, urllib.request as u;"
        "sys.exit(7 if u.urlopen(sys.argv[1]).read().decode() == os.environ['DATABASE_URL'] else 1)"
    )
    with ServiceStack.from_file(path, database_url="postgresql://here/data") as running:
        assert running.call(["python3", "-c", script, "{url}/anything"]) == 7


def test_a_stand_can_be_entered_again(tmp_path: Path):
    """A stack that is entered a second time starts another database."""
    described = ServiceStack.from_file(write_stack_config(tmp_path, postgres=True))
    with described as running:
        first = running.database_url
    with described as running:
        assert running.database_url != first
        assert not running.database_given


def test_the_postgresql_of_a_run_in_progress_is_its_own():
    """A server started on its own, beside stands, makes a run for itself."""
    with Postgres() as server:
        assert server.log_path.parent.name.startswith("straingauge-run-")
