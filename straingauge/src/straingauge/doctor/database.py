"""The database: whether it can be watched, and whether it has room for the service's pool."""

from collections.abc import Iterator, Mapping

from straingauge.doctor.line import Line, Patient
from straingauge.observe import DatabaseSeen, MetricsPage

RESERVED = 3  # superuser_reserved_connections, as PostgreSQL has it unless told otherwise


def database(patient: Patient) -> Iterator[Line]:
    """What PostgreSQL says to the address we were given, and to the pool the service has."""
    if patient.database_url is None:
        if patient.stand is None or patient.stand.postgres is not None:
            advice = "name it, if the service has a PostgreSQL: --database-url, or DATABASE_URL"
            yield Line("database", "not seen", "no address of a database is known", advice)
        return
    try:
        from straingauge.observe.postgres import Database
    except ImportError:
        advice = "pip install 'straingauge[postgres]'"
        yield Line("database", "not seen", "the driver for PostgreSQL is not installed", advice)
        return
    looking = Database(patient.database_url)
    looking.begin()
    sample, seen = looking.sample(), looking.seen()
    looking.close()
    if not sample["db_reachable"]:
        why = "; ".join(seen.missing) or "it does not answer"
        yield Line("database", "problem", why, "check --database-url; is PostgreSQL running?")
        return
    yield _watchable(seen)
    yield from _room(patient, seen, sample)


def _watchable(seen: DatabaseSeen) -> Line:
    if not seen.missing:
        return Line("database", "ok", "it can be watched, statements included")
    advice = "grant pg_monitor to the role, and preload pg_stat_statements"
    return Line("database", "warning", "; ".join(seen.missing), advice)


def _room(patient: Patient, seen: DatabaseSeen, sample: Mapping[str, float]) -> Iterator[Line]:
    most, pool = seen.max_connections, _pool(patient)
    if most is None:
        return
    if pool is None:
        yield Line(
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
        yield Line("pool", "problem", f"{figures}: those beyond are refused", advice)
    elif pool + others > most - RESERVED:
        advice = "end other clients, or raise max_connections"
        yield Line("pool", "warning", f"{figures}, and others hold {others:.0f}", advice)
    else:
        yield Line("pool", "ok", f"{figures}; others hold {others:.0f}")


def _pool(patient: Patient) -> float | None:
    """As the service tells it or as the stand's description says: whichever is more."""
    sizes = []
    if patient.stand is not None and patient.stand.postgres is not None:
        sizes.append(float(patient.stand.postgres.connections_per_worker * patient.stand.workers))
    if patient.answers:
        page = MetricsPage(patient.url, patient.names.metrics_path)
        found = patient.names.insides(page.fetch() or {})
        page.close()
        if "pool_size" in found:
            sizes.append(found["pool_size"])
    return max(sizes, default=None)
