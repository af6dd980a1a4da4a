import os
import socket
import urllib.request
from pathlib import Path

import psutil
import pytest
from stack_tools import runs, sql, write_stack_config
from straingauge.errors import TargetError, UsageError
from straingauge.target import Postgres, ServiceStack, ports, service_stack
from straingauge.target.service_locator import ServiceLocator

pytestmark = pytest.mark.e2e

PREPARE = """
[[prepare]]
name = "tables"
command = ["{python}", "-c", "import os; open('prepared', 'a').write(os.environ['DATABASE_URL'])"]
[[prepare]]
name = "address"
command = ["{python}", "-c", "open('address', 'w').write('other+driver://{database_address}')"]
"""


@pytest.fixture(autouse=True)
def _no_database_of_the_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)


def get(url: str) -> str:
    """Return the body of a GET."""
    with urllib.request.urlopen(url) as response:  # noqa: S310 - the address of the stack
        return str(response.read().decode())


def postgres_servers() -> int:
    """Return the number of PostgreSQL servers that this process has started."""
    return sum(child.name() == "postgres" for child in psutil.Process().children())


def test_a_stack_starts_and_stops_database_steps_and_service(tmp_path: Path):
    """Database, steps and service know each other, so does a second instance; nothing remains."""
    messages: list[str] = []
    path = write_stack_config(tmp_path, postgres=True, prepare=PREPARE)
    with ServiceStack.from_file(path, say=messages.append) as running:
        assert running.database_url
        assert get(running.url) == running.database_url == (tmp_path / "prepared").read_text()
        assert sql(running.database_url, "SELECT 1") == "1"
        assert "mode serve" in running.log_path.read_text()
        assert postgres_servers() == 1
        pid = running.pid
        assert runs(pid)
        found = running.started
        with ServiceStack(found.config, database_url=found.database_url) as another:
            assert another.url != running.url
            assert get(another.url) == get(running.url)
            assert (tmp_path / "prepared").read_text() == running.database_url
        assert runs(pid)
    assert messages == [
        *("starting PostgreSQL", "running tables", "running address", "starting the service"),
    ]
    assert not runs(pid)
    assert postgres_servers() == 0


DATABASE_NUMBER = "SELECT oid FROM pg_database WHERE datname = current_database()"
ROWS = """
[[prepare]]
name = "rows"
command = ["{python}", "rows.py"]
"""
ROWS_FILE = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from stack_tools import sql
sql(os.environ["DATABASE_URL"], "CREATE TABLE books AS SELECT generate_series(1, 3) AS id")
"""


def test_each_load_begins_with_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Before each load but the first, the database is restored, and the service restarted."""
    (tmp_path / "rows.py").write_text(ROWS_FILE)
    monkeypatch.delenv("API_BASE_URL", raising=False)
    monkeypatch.setattr("straingauge.target.service_locator.refused", lambda *_: "no")
    messages: list[str] = []
    path = write_stack_config(tmp_path, postgres=True, restore=True, prepare=ROWS)
    locator = ServiceLocator(None, messages.append, option="--host")
    try:
        url = locator.find(path)
        first = locator.started()
        assert first is not None
        assert first.database_url is not None
        assert not locator.begin_load()
        number = sql(first.database_url, DATABASE_NUMBER)
        sql(first.database_url, "INSERT INTO books VALUES (4); DELETE FROM books WHERE id = 1")
        for _ in range(2):
            assert locator.begin_load()
            assert sql(first.database_url, "SELECT array_agg(id) FROM books") == "{1,2,3}"
            assert sql(first.database_url, DATABASE_NUMBER) == number
            sql(first.database_url, "DROP TABLE books")
        again = locator.started()
        assert again is not None
        assert again.database_url == first.database_url == get(url)
        assert not runs(first.pid)
        assert runs(again.pid)
    finally:
        locator.close()
    assert messages.count("restoring the database, and restarting the service") == 2


def test_another_database_is_not_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A database that was not started here is not restored, which is an error if it was wanted."""
    monkeypatch.delenv("API_BASE_URL", raising=False)
    path = write_stack_config(tmp_path)
    with pytest.raises(UsageError, match=r"has no \[postgres\]"):
        ServiceStack.from_file(path, restore=True)
    named = ServiceLocator("http://127.0.0.1:1", print, option="--host", restore=True)
    with pytest.raises(UsageError, match=r"only a database that is started here .* --host names"):
        named.find(path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@elsewhere/data")
    with pytest.raises(UsageError, match="and DATABASE_URL names another one"):
        ServiceLocator(None, print, option="--host", restore=True).find(path)


def test_an_existing_database_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With DATABASE_URL no PostgreSQL starts, and the steps still run."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@elsewhere/data")
    path = write_stack_config(tmp_path, postgres=True, prepare=PREPARE)
    with ServiceStack.from_file(path) as running:
        assert running.database_given
        assert postgres_servers() == 0
        assert get(running.url) == (tmp_path / "prepared").read_text() == os.environ["DATABASE_URL"]
        assert (tmp_path / "address").read_text() == "other+driver://me:secret@elsewhere/data"


FOLDERS = """
[postgres.env]
UPLOADS = "{folder}/uploads"
GIVEN = "{folder}/given"
[[prepare]]
name = "folders"
command = [
    "{python}", "-c", "import os; open('folders', 'w').write(str(dict(os.environ)))",
]
"""


def test_a_temporary_database_has_temporary_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """[postgres.env] applies to a temporary database only, and the environment precedes it."""
    monkeypatch.setenv("GIVEN", "/given")
    monkeypatch.delenv("UPLOADS", raising=False)
    path = write_stack_config(tmp_path, postgres=True, prepare=FOLDERS)
    with ServiceStack.from_file(path):
        environment = (tmp_path / "folders").read_text()
        assert "/uploads'" in environment
        assert "'GIVEN': '/given'" in environment
    with ServiceStack.from_file(path, database_url="postgresql://elsewhere/data"):
        assert "UPLOADS" not in (tmp_path / "folders").read_text()


def test_an_argument_precedes_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The database passed as an argument has precedence over DATABASE_URL."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://environment/data")
    path = write_stack_config(tmp_path, postgres=True)
    with ServiceStack.from_file(path, database_url="postgresql://argument/data") as running:
        assert get(running.url) == "postgresql://argument/data"


def test_there_are_connections_for_every_worker(tmp_path: Path):
    """PostgreSQL allows the connections of all workers' pools, and a few more."""
    with ServiceStack.from_file(write_stack_config(tmp_path, postgres=True), workers=8) as running:
        assert running.database_url
        assert int(sql(running.database_url, "SHOW max_connections")) >= 8 * 20 + 20


def test_two_stacks_have_separate_ports(tmp_path: Path):
    """Two stacks of one file can run at the same time."""
    path = write_stack_config(tmp_path)
    with ServiceStack.from_file(path) as first, ServiceStack.from_file(path) as second:
        assert first.url != second.url
        assert get(first.url) == get(second.url) == ""


def test_a_port_in_use(tmp_path: Path):
    """The process that uses the port is named, and the hint has another port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        expected = rf"port {port} is in use by process {os.getpid()} \(.*python"
        with (
            pytest.raises(TargetError, match=expected) as error,
            ServiceStack.from_file(write_stack_config(tmp_path), port=port),
        ):
            pass
    assert f"--port {port + 1}" in str(error.value.hint)


def test_an_invalid_port_is_refused(tmp_path: Path):
    """A port beyond 65535 is an error."""
    with (
        pytest.raises(TargetError, match="port 70000 cannot be used"),
        ServiceStack.from_file(write_stack_config(tmp_path), port=70000),
    ):
        pass


def test_a_port_taken_by_another_process_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A service that took the port first is not mistaken for this one, though it responds."""
    path = write_stack_config(tmp_path)
    with ServiceStack.from_file(path, database_url="postgresql://other") as other:
        lost = int(other.url.rsplit(":", 1)[1])
        chosen = iter([lost, ports.free_port()])
        monkeypatch.setattr(service_stack, "free_port", lambda: next(chosen))
        with ServiceStack.from_file(path, database_url="postgresql://ours") as running:
            assert running.url != other.url
            assert get(running.url) == "postgresql://ours"


def test_a_service_that_is_never_ready_shows_its_log(tmp_path: Path):
    """After the timeout the error has the last status and the log, and nothing keeps running."""
    path = write_stack_config(tmp_path, mode="unready", within_s=1)
    before = set(psutil.Process().children())
    with (
        pytest.raises(TargetError, match=r"(?s)not ready within 1 s \(GET /: 503\):.*mode unready"),
        ServiceStack.from_file(path),
    ):
        pass
    assert set(psutil.Process().children()) <= before


def test_a_service_that_ends_at_once_shows_its_log(tmp_path: Path):
    """A service that cannot start is reported at once, with exit code and log."""
    with (
        pytest.raises(TargetError, match=r"(?s)ended with code 3 .*mode exit") as error,
        ServiceStack.from_file(write_stack_config(tmp_path, mode="exit")),
    ):
        pass
    assert "tiny_service.py" in str(error.value.hint)


def test_a_failed_step_stops_the_database(tmp_path: Path):
    """The error of a failed step has its log, and PostgreSQL is stopped."""
    prepare = PREPARE.replace("import os;", "raise SystemExit('no such table');")
    path = write_stack_config(tmp_path, postgres=True, prepare=prepare)
    with (
        pytest.raises(TargetError, match=r"(?s)tables failed .*no such table"),
        ServiceStack.from_file(path),
    ):
        pass
    assert postgres_servers() == 0


def test_a_service_that_ignores_sigterm_is_killed(tmp_path: Path):
    """A service that ignores SIGTERM does not keep the stack from ending."""
    with ServiceStack.from_file(write_stack_config(tmp_path, mode="stubborn")) as running:
        pid = running.pid
    assert not runs(pid)


def test_a_service_that_dies_later_is_reported(tmp_path: Path):
    """Waiting for the service raises with exit code and log."""
    with ServiceStack.from_file(write_stack_config(tmp_path)) as running:
        psutil.Process(running.pid).kill()
        with pytest.raises(TargetError, match=r"(?s)ended with code -9:.*mode serve"):
            running.wait()


def test_a_command_gets_url_and_database(tmp_path: Path):
    """A command gets the service's URL and database, and its exit code is returned."""
    path = write_stack_config(tmp_path)
    script = (
        "import os, sys, urllib.request as u;"
        "sys.exit(7 if u.urlopen(sys.argv[1]).read().decode() == os.environ['DATABASE_URL'] else 1)"
    )
    with ServiceStack.from_file(path, database_url="postgresql://here/data") as running:
        assert running.call(["python3", "-c", script, "{url}/anything"]) == 7


def test_a_stack_can_be_entered_again(tmp_path: Path):
    """A stack that is entered a second time starts another database."""
    stack = ServiceStack.from_file(write_stack_config(tmp_path, postgres=True))
    with stack as running:
        first = running.database_url
    with stack as running:
        assert running.database_url != first
        assert not running.database_given


def test_a_separate_server_has_its_process_group():
    """A server that is started without a stack has a separate process group."""
    with Postgres() as server:
        assert server.log_path.parent.name.startswith("straingauge-run-")
