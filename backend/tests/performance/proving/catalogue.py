"""All that is planted: 29 faults that must be found, and 9 healthy services that must not alarm.

Further faults are planted when asked for. The load tests know nothing of this file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.performance.proving import beside
from tests.performance.proving.beside import Beside

from straingauge import UsageError

WINDOW_S = 3
SETTINGS = {"RATE_LIMIT_DEFAULT": f"100/{WINDOW_S}second"}
"""The limit's window is a setting, which the service and the test of it read alike: by default a
minute, most of which that test waits."""


@dataclass(frozen=True, slots=True)
class Plant:
    """A service to put the load tests to.

    Attributes:
        name: What `make prove ARGS=...` calls it.
        what: The same in words.
        causes: Which causes name it; none for a healthy service.
        test: The load test that must find it; empty: any.
        app: What is served, as `module:factory` of this folder; empty: the service as it is.
        workers: How many processes serve.
        env: Settings of the service.
        sql: Done to the database beforehand.
        beside: Happens while the load tests run.
    """

    name: str
    what: str
    causes: tuple[str, ...] = ()
    test: str = ""
    app: str = ""
    workers: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    sql: tuple[str, ...] = ()
    beside: Beside | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing may be found."""
        return not self.causes

    @property
    def served(self) -> str:
        """As uvicorn is told."""
        return f"tests.performance.proving.{self.app}" if self.app else "app.main:app"


UPLOADS, LIMITS = "concurrent_uploads", "rate_limit_enforcement"
POOL, STEADY, LEAKS = "database_pool_stress", "sustained_load", "memory_leak_detection"

TWO_WORKERS = {"RATE_LIMIT_STORAGE": "postgres"}
UNINDEXED = (
    "DROP INDEX ix_sessions_list",
    "DROP INDEX ix_sessions_patient",
    "DROP INDEX ix_sessions_status",
)


def _fault(
    name: str, what: str, causes: str, app: str = "", test: str = "", **more: object
) -> Plant:
    return Plant(name, what, tuple(causes.split()), test, app, **more)  # type: ignore[arg-type]


FAULTS = (
    _fault("slow_twentieth", "5 % of requests +800 ms", "slow_tail", "latency:slow_twentieth"),
    _fault("slow_reads", "all reads +600 ms", "slow_endpoint", "latency:slow_reads"),
    _fault("errors_500", "3 % of reads answer 500", "endpoint_errors", "errors:errors_500", STEADY),
    _fault("resets", "3 % of connections reset", "connection_resets", "connections:resets"),
    _fault("error_in_200", "200 with an error body", "wrong_content", "errors:error_in_200"),
    _fault("json_cut", "truncated JSON", "wrong_content", "errors:json_cut"),
    _fault("loop_blocked", "event loop blocked 300 ms every 2 s", "event_loop_blocked",
           "latency:loop_blocked"),
    _fault("frozen", "freeze of 0.5 s every 5 s", "freeze", "latency:frozen"),
    _fault("cpu_burnt", "15 ms of CPU burnt in each read", "cpu_bound", "latency:cpu_burnt"),
    _fault("n_plus_one", "N+1 in the list", "n_plus_one", "database:n_plus_one"),
    _fault("index_dropped", "indexes on sessions dropped", "missing_index", sql=UNINDEXED),
    _fault("row_lock", "row locks held by a writer", "lock_contention", beside=beside.row_lock),
    _fault("small_pool", "pool of 2 without overflow", "pool_exhausted", "database:small_pool",
           POOL),
    _fault("connections_leaked", "1 % of reads leak a connection", "connections_leaked",
           "database:connections_leaked"),
    _fault("limiter_off", "limiter off", "rate_limiter_absent", "limits:limiter_off", LIMITS),
    _fault("limiter_loose", "limit 300 instead of 100", "rate_limiter_loose",
           "limits:limiter_loose", LIMITS),
    _fault("limiter_per_process", "limit counted per process", "rate_limiter_per_process", "",
           LIMITS, workers=2),
    _fault("retry_after_gone", "no Retry-After", "rate_limiter_untrue", "limits:retry_after_gone",
           LIMITS),
    _fault("retry_after_untrue", "untrue Retry-After", "rate_limiter_untrue",
           "limits:retry_after_untrue", LIMITS),
    _fault("leak_50_kb", "50 kB leaked per request", "memory_leak", "leaks:leak_50_kb", LEAKS),
    _fault("leak_5_kb", "5 kB leaked per request", "memory_leak", "leaks:leak_5_kb", LEAKS),
    _fault("files_leaked", "a file left open by every fourth request", "file_leak",
           "leaks:files_leaked"),
    _fault("uploads_not_stored", "upload acknowledged but not stored", "lost_writes",
           "data:uploads_not_stored", UPLOADS),
    _fault("uploads_doubled", "upload stored twice", "doubled_writes", "data:uploads_doubled",
           UPLOADS),
    _fault("uploads_altered", "upload altered", "altered_writes", "data:uploads_altered", UPLOADS),
    _fault("tenants_mixed", "another tenant's session readable", "foreign_data",
           "data:tenants_mixed", STEADY),
    _fault("ever_slower", "latency grows with the number of requests", "slowing_down",
           "latency:ever_slower", STEADY),
    _fault("keep_alive_off", "keep-alive off", "keep_alive_off", "connections:keep_alive_off"),
    _fault("jobs_stopped", "jobs never run", "jobs_not_draining", "", UPLOADS,
           env={"JOB_WORKER": "false"}),
)  # fmt: skip

HEALTHY = (
    Plant("as_it_is", "the service as it is"),
    Plant("cache_that_fills", "a cache grows by 40 MB and stops", app="healthy:cache_that_fills"),
    Plant("neighbour", "a neighbour burns a core for a third of the run",
          beside=beside.neighbour),
    Plant("collector_pauses", "pauses of 20 ms", app="healthy:collector_pauses"),
    Plant("tail_within_target", "a tail within target", app="healthy:tail_within_target"),
    Plant("shared_limiter", "two workers with a shared limiter", workers=2, env=TWO_WORKERS),
    Plant("vacuum", "VACUUM and ANALYZE running", beside=beside.vacuum),
    Plant("slow_first_request", "a first request of 2 s", app="healthy:slow_first_request"),
    Plant("restart", "workers restarted gracefully once", app="healthy:graceful_restart",
          workers=2, env=TWO_WORKERS, beside=beside.restart),
)  # fmt: skip

FURTHER = (
    _fault("threads_left", "threads that never end", "thread_leak", "further:threads_left"),
    _fault("updates_lost", "change acknowledged but not stored", "lost_writes altered_writes",
           "further:updates_lost", STEADY),
    _fault("reads_block", "each read blocks the event loop for 50 ms", "event_loop_blocked",
           "further:reads_block"),
    _fault("bodies_short", "3 % of reads shorter than they promise",
           "connection_resets wrong_content", "further:bodies_short"),
    _fault("slow_uploads", "uploads +2.5 s", "slow_endpoint", "further:slow_uploads", STEADY),
    _fault("tokens_refused", "3 % of reads answer 401", "endpoint_errors",
           "further:tokens_refused"),
    _fault("table_locked", "a migration locks a table", "lock_contention",
           beside=beside.table_locked),
    _fault("database_away", "the database is away for 2 s of 8", "database_away",
           beside=beside.database_away),
    _fault("workers_killed", "one worker of two killed each 3 s",
           "service_restarted connection_resets", workers=2, env=TWO_WORKERS,
           beside=beside.workers_killed),
)  # fmt: skip
"""Not on the list, and tried only when the rules stood: do they hold for others as well?"""

ALL = {plant.name: plant for plant in (*FAULTS, *HEALTHY, *FURTHER)}
GROUPS = {"faults": FAULTS, "healthy": HEALTHY, "further": FURTHER}


def named(names: Iterable[str]) -> list[Plant]:
    """The plants of these names; a group's name stands for all of it.

    Raises:
        UsageError: There is none of one of them.
    """
    known = GROUPS | {name: (plant,) for name, plant in ALL.items()}
    names = list(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"nothing is planted under the name {unknown[0]}", "make prove ARGS=--list"
        )
    return [plant for name in names for plant in known[name]]
