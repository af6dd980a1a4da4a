"""The database: whether it can be watched, and whether it has room for the service's pool."""

from collections.abc import Iterator, Mapping

from straingauge.doctor.check_result import CheckContext, CheckResult
from straingauge.observe import DatabaseStats, MetricsClient

RESERVED = 3  # superuser_reserved_connections, as PostgreSQL has it unless told otherwise


def database(patient: CheckContext) -> Iterator[CheckResult]:
    """What PostgreSQL says to the address we were given, and to the pool the service has."""
    if patient.database_url is None:
        if patient.stand is None or patient.stand.postgres is not None:
            advice = "name it, if the service has a PostgreSQL: --database-url, or DATABASE_URL"
            yield CheckResult("database", "not seen", "no address of a database is known", advice)
        return
    try:
        from straingauge.observe.postgres import Database
    except ImportError:
        advice = "pip install 'straingauge[postgres]'"
        yield CheckResult(
            "database", "not seen", "the driver for PostgreSQL is not installed", advice
        )
        return
    looking = Database(patient.database_url)
    looking.begin()
    sample, seen = looking.sample(), looking.seen()
    looking.close()
    if not sample["db_reachable"]:
        why = "; ".join(seen.missing) or "it does not answer"
        yield CheckResult(
            "database", "problem", why, "check --database-url; is PostgreSQL running?"
        )
        return
    yield _watchable(seen)
    yield from _room(patient, seen, sample)


def _watchable(seen: DatabaseStats) -> CheckResult:
    if not seen.missing:
        return CheckResult("database", "ok", "it can be watched, statements included")
    advice = "grant pg_monitor to the role, and preload pg_stat_statements"
    return CheckResult("database", "warning", "; ".join(seen.missing), advice)


def _room(
    patient: CheckContext, seen: DatabaseStats, sample: Mapping[str, float]
) -> Iterator[CheckResult]:
    most, pool = seen.max_connections, _pool(patient)
    if most is None:
        return
    if pool is None:
        yield CheckResult(
            "pool",
            "not seen",
            f"PostgreSQL allows {most} connections; how large the service's pool is, is not known",
            "have /metrics tell its size (pool_size under [observe]), or write "
            "connections_per_worker under [postgres] in straingauge.toml",
        )
        return
    others = max(sample["db_server_connections"] - sample["db_connections"], 0)
    figures = f"the service's pool may take {pool:.0f} of PostgreSQL's {most} connections"
    if pool > most - RESERVED:
        advice = f"make the pool smaller than {most - RESERVED} over all workers, or raise it"
        yield CheckResult("pool", "problem", f"{figures}: those beyond are refused", advice)
    elif pool + others > most - RESERVED:
        advice = "end other clients, or raise max_connections"
        yield CheckResult("pool", "warning", f"{figures}, and others hold {others:.0f}", advice)
    else:
        yield CheckResult("pool", "ok", f"{figures}; others hold {others:.0f}")


def _pool(patient: CheckContext) -> float | None:
    """As the service tells it or as the stand's description says: whichever is more."""
    sizes = []
    if patient.stand is not None and patient.stand.postgres is not None:
        sizes.append(float(patient.stand.postgres.connections_per_worker * patient.stand.workers))
    if patient.answers:
        page = MetricsClient(patient.url, patient.names.metrics_path)
        found = patient.names.insides(page.fetch() or {})
        page.close()
        if "pool_size" in found:
            sizes.append(found["pool_size"])
    return max(sizes, default=None)
