import pytest
from stack_tools import sql
from straingauge.errors import TargetError
from straingauge.target import Postgres, pgbouncer
from straingauge.target.pgbouncer import PgBouncer, find_pgbouncer

pytestmark = pytest.mark.e2e


@pytest.mark.skipif(find_pgbouncer() is None, reason=f"no PgBouncer: {pgbouncer.HINT}")
def test_a_pooler_serves_all_databases_of_its_server():
    """Clients of the pooler reach each database of the server, with the server's password."""
    with Postgres(durable=False) as server, PgBouncer(server.url, pool_size=1) as pooler:
        sql(pooler.url, "CREATE DATABASE another")
        assert sql(pooler.url.replace("/service", "/another"), "SELECT current_database()") == (
            "another"
        )
        processes = {sql(pooler.url, "SELECT pg_backend_pid()") for _ in range(3)}
        assert len(processes) == 1  # the clients share one connection


def test_a_missing_pgbouncer_is_an_error_with_a_hint(monkeypatch: pytest.MonkeyPatch):
    """Without the program the error says how to install it."""
    monkeypatch.setattr(pgbouncer, "find_pgbouncer", lambda: None)
    with pytest.raises(TargetError) as failed, PgBouncer("postgresql://a:b@127.0.0.1:1/c"):
        pass
    assert "apt-get install pgbouncer" in failed.value.hint
