"""Checks of the database: permissions, and room for the service's connection pool."""

from collections.abc import Iterator, Mapping

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.errors import UsageError
from straingauge.extras import install_command
from straingauge.number_text import count
from straingauge.observe import DatabaseStats, MetricsClient
from straingauge.observe.postgres_url import check_scheme

RESERVED = 3  # superuser_reserved_connections, the default of PostgreSQL


def database(context: CheckContext) -> Iterator[CheckResult]:
    """Check that PostgreSQL can be observed and has room for the connection pool."""
    if context.database_url is None:
        if context.stack is None or context.stack.postgres is not None:
            advice = "if the service has a PostgreSQL, name it with --database-url or DATABASE_URL"
            yield CheckResult("database", "skipped", "no database is known", advice)
        return
    try:
        check_scheme(context.database_url)
        from straingauge.observe.postgres import Database
    except UsageError as error:
        yield CheckResult(
            "database", "warning", f"it cannot be observed: {error}", error.hint or ""
        )
        return
    except ImportError:
        advice = install_command("postgres")
        yield CheckResult(
            "database", "skipped", "the driver for PostgreSQL is not installed", advice
        )
        return
    connection = Database(context.database_url)
    connection.begin()
    sample, seen = connection.sample(), connection.stats()
    connection.close()
    if not sample["db_reachable"]:
        why = "; ".join(seen.unavailable) or "it does not respond"
        yield CheckResult(
            "database", "problem", why, "check --database-url; is PostgreSQL running?"
        )
        return
    yield _watchable(seen)
    yield from _room(context, seen, sample)


def _watchable(seen: DatabaseStats) -> CheckResult:
    pooled = ", through a connection pooler" if seen.behind_pooler else ""
    if not seen.unavailable:
        return CheckResult("database", "ok", f"it can be observed{pooled}, with its statements")
    advice = "grant pg_monitor to the role, and preload pg_stat_statements"
    return CheckResult("database", "warning", "; ".join(seen.unavailable), advice)


def _room(
    context: CheckContext, seen: DatabaseStats, sample: Mapping[str, float]
) -> Iterator[CheckResult]:
    most, pool = seen.max_connections, _pool(context)
    if most is None:
        return
    if pool is None:
        yield CheckResult(
            "pool",
            "skipped",
            f"PostgreSQL allows {count(most, 'connection')}; the size of the service's pool is"
            " unknown",
            "export its size in /metrics (pool_size under [observe]), or set "
            "connections_per_worker under [postgres] in straingauge.toml",
        )
        return
    others = max(sample["db_server_connections"] - sample["db_connections"], 0)
    room = f"the service's pool may take {pool:,.0f} of PostgreSQL's {count(most, 'connection')}"
    if pool > most - RESERVED:
        most_pool = most - RESERVED
        advice = (
            f"make the pool smaller than {most_pool} over all workers, or raise max_connections"
        )
        yield CheckResult("pool", "problem", f"{room}: those beyond are refused", advice)
    elif pool + others > most - RESERVED:
        advice = "close other clients, or raise max_connections"
        yield CheckResult("pool", "warning", f"{room}, and others hold {others:,.0f}", advice)
    else:
        yield CheckResult("pool", "ok", f"{room}; others hold {others:,.0f}")


def _pool(context: CheckContext) -> float | None:
    """Size of the pool, by the service's metrics or straingauge.toml; the larger one."""
    sizes = []
    if context.stack is not None and context.stack.postgres is not None:
        sizes.append(float(context.stack.postgres.connections_per_worker * context.stack.workers))
    if context.answers:
        page = MetricsClient(context.url, context.names.metrics_path, context.http)
        found = context.names.service_metrics(page.fetch() or {})
        page.close()
        if "pool_size" in found:
            sizes.append(found["pool_size"])
    return max(sizes, default=None)
