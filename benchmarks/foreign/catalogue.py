"""Services that were not written here, and ten faults for each of them.

Whatever differs between the services is data: the requests that a fault affects, the statements and
the settings. The faults themselves are in `planting/planted_faults.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.performance.fault_injection.catalogue import Fault

PLANTED = Path(__file__).with_name("planting") / "planted_faults.py"


@dataclass(frozen=True, slots=True)
class Service:
    """A service, installed by its `requirements.txt` into a separate environment.

    Attributes:
        name: Folder of the suite, and name for `--service`.
        affected: Requests that planted faults affect, as "METHOD path" (a regular expression).
        is_asynchronous: Whether requests share an event loop, rather than having threads.
        statement: Query with one text parameter (%s), which N+1 repeats.
        index: Index that is dropped, or several, separated by commas.
        table: Table that is locked, and whose index is dropped; empty without PostgreSQL.
        small_pool: Settings for a pool of two connections.
        without_index: Settings for a database without an index, if it is not PostgreSQL.
    """

    name: str
    affected: str
    is_asynchronous: bool
    statement: str = ""
    index: str = ""
    table: str = ""
    small_pool: Mapping[str, str] = field(default_factory=dict)
    without_index: Mapping[str, str] = field(default_factory=dict)


SERVICES = {
    service.name: service
    for service in (
        Service(
            "prefect",
            "(GET /api/flow_runs/.*|POST /api/(logs|flow_runs)/filter)",
            is_asynchronous=True,
            statement="SELECT name FROM flow WHERE name = %s",
            index="ix_log__flow_run_id, ix_log__flow_run_id_timestamp",
            table="log",
            small_pool={
                "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "2",
                "PREFECT_SERVER_DATABASE_SQLALCHEMY_MAX_OVERFLOW": "0",
            },
        ),
        Service(
            "kinto",
            "GET /v1/buckets/.*",
            is_asynchronous=False,
            statement="SELECT data FROM objects WHERE id = %s",
            index="idx_objects_parent_id_resource_name_last_modified,"
            " idx_objects_parent_id_record_last_modified,"
            " idx_objects_resource_name_parent_id_deleted",
            table="objects",
            small_pool={
                f"KINTO_{part}_{setting}": value
                for part in ("STORAGE", "CACHE", "PERMISSION")
                for setting, value in (("POOL_SIZE", "2"), ("MAX_OVERFLOW", "0"))
            },
        ),
        Service(
            "datasette",
            "GET /shop/.*",
            is_asynchronous=True,
            without_index={"SHOP_INDEX": "no"},
        ),
    )
}


@dataclass(frozen=True, slots=True)
class PlantedFault(Fault):
    """A fault of one of these services.

    Attributes:
        planted: Function of `planted_faults.py`; empty if the application runs without a wrapper.
        locked: Table that another transaction locks; empty for none.
        database_delay_ms: Delay of each packet to the database, and of each packet from it.
    """

    planted: str = ""
    locked: str = ""
    database_delay_ms: float = 0.0
    env: Mapping[str, str] = field(default_factory=dict)


def line_of(text: str) -> int:
    """Return the first line of `planted_faults.py` that has this text."""
    lines = PLANTED.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


Wrapped = Callable[[str, str, str, str], PlantedFault]


def faults_of(name: str) -> list[PlantedFault]:
    """Return the ten faults of a service, and the healthy service."""
    service = SERVICES[name]

    def wrapped(planted: str, description: str, causes: str, where: str) -> PlantedFault:
        return PlantedFault(
            planted, description, tuple(causes.split()), planted=planted, where=where
        )

    # A blocking call stops an event loop; in a thread it is only slow.
    blocked = (
        "event_loop_blocked" if service.is_asynchronous else "slow_endpoint limited_concurrency"
    )
    return [
        wrapped("blocking", "a call blocks for 250 ms", blocked, "load_settings"),
        wrapped("cpu", "150 ms of CPU time in a request", "cpu_bound", "render_report"),
        wrapped(
            "memory_leak",
            "50 kB leaked per request",
            "memory_leak",
            rf"planted_faults\.py {line_of('LEAKED_BYTES)')}\b",  # allocations have no function
        ),
        wrapped(
            "slow_dependency",
            "8 % of requests wait 1.5 s for another service",
            "slow_dependency",
            r"127\.0\.0\.1|ask_dependency",
        ),
        wrapped("semaphore", "three requests at a time", "limited_concurrency", "semaphore"),
        *(_with_postgres(service, wrapped) if service.table else _without(service, wrapped)),
        PlantedFault("unmodified", "the service unmodified"),
    ]


def _with_postgres(service: Service, wrapped: Wrapped) -> list[PlantedFault]:
    return [
        wrapped("n_plus_one", "40 statements for each request", "n_plus_one", "WHERE"),
        PlantedFault(
            "dropped_index",
            f"index of {service.table} dropped, 50,000 rows",
            ("missing_index",),
            sql=(f"DROP INDEX {service.index}",),
            where=service.table,
        ),
        PlantedFault(
            "small_pool",
            "pool of 2, database 50 ms away",
            ("pool_exhausted",),
            env=service.small_pool,
            database_delay_ms=25.0,
            where=".",
        ),
        wrapped(
            "connection_leak",
            "every tenth request leaves a transaction open",
            "connections_leaked",
            ".",
        ),
        PlantedFault(
            "table_lock",
            f"a migration locks {service.table} for 1.2 of every 4 s",
            ("lock_contention",),
            locked=service.table,
            where=service.table,
        ),
    ]


def _without(service: Service, wrapped: Wrapped) -> list[PlantedFault]:
    return [
        wrapped("errors", "3 % of requests fail", "endpoint_errors", "fail_now_and_then"),
        PlantedFault(
            "dropped_index",
            "SQLite without an index, 50,000 rows",
            ("slow_endpoint", "cpu_bound"),
            env=service.without_index,
            where="sql|database",
        ),
        wrapped("freeze", "all requests wait for 1 s every 5 s", "freeze", "freeze"),
        wrapped("file_leak", "every second request leaves a file open", "file_leak", "."),
        wrapped(
            "thread_leak",
            "every fourth request leaves a thread",
            "thread_leak",
            rf"planted_faults\.py {line_of('Event().wait')}\b",  # that creates it
        ),
    ]
