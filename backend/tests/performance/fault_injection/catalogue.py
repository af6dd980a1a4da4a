"""The catalogue: 39 faults that must be detected, and 9 healthy services that must not alarm.

The load tests do not use this file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.performance.fault_injection import background
from tests.performance.fault_injection.background import BackgroundTask

from straingauge import UsageError

WINDOW_S = 3
SETTINGS = {"RATE_LIMIT_DEFAULT": f"100/{WINDOW_S}second"}
"""A short rate limit window, for the service and for the load test that waits for its end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to inject into the service, or a healthy variation without `causes`.

    Attributes:
        name: Name in `make faults ARGS=...`.
        description: The same in words.
        causes: Causes that describe the fault; empty for a healthy service.
        test: Load test that must detect it; empty for any.
        app: App factory as `module:factory` of this folder; empty for the unmodified service.
        workers: Number of worker processes.
        env: Settings of the service.
        sql: Statements to run on the database first.
        background: Task to run during the load tests.
        where: Regular expression of the place that the first cause must name: file and function,
            statement, index or host.
    """

    name: str
    description: str
    causes: tuple[str, ...] = ()
    test: str = ""
    app: str = ""
    workers: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    sql: tuple[str, ...] = ()
    background: BackgroundTask | None = None
    where: str = ""

    @property
    def is_healthy(self) -> bool:
        """True if the load tests must not raise an alarm."""
        return not self.causes

    @property
    def import_string(self) -> str:
        """The app for uvicorn, as `module:attribute`."""
        return f"tests.performance.fault_injection.{self.app}" if self.app else "app.main:app"


UPLOADS, LIMITS = "concurrent_uploads", "rate_limit_enforcement"
POOL, STEADY, LEAKS = "database_pool_stress", "sustained_load", "memory_leak_detection"

TWO_WORKERS = {"RATE_LIMIT_STORAGE": "postgres"}
DROP_INDEXES = (
    "DROP INDEX ix_sessions_list",
    "DROP INDEX ix_sessions_patient",
    "DROP INDEX ix_sessions_status",
)


def _fault(
    name: str, description: str, causes: str, app: str = "", test: str = "", **options: object
) -> Fault:
    return Fault(name, description, tuple(causes.split()), test, app, **options)  # type: ignore[arg-type]


FAULTS = (
    _fault("slow_5_percent", "5 % of requests +800 ms", "slow_tail", "latency:slow_5_percent",
           where=r"latency\.py .*slow_5_percent"),
    _fault("slow_reads", "all reads +600 ms", "slow_endpoint", "latency:slow_reads",
           where=r"latency\.py .*slow_reads"),
    _fault("slow_dependency", "8 % of reads wait 700 ms for another service", "slow_dependency",
           "latency:slow_dependency"),
    _fault("errors_500", "3 % of reads return 500", "endpoint_errors", "errors:errors_500", STEADY),
    _fault("resets", "3 % of connections reset", "connection_resets", "connections:resets"),
    _fault("error_in_200", "200 with an error body", "wrong_content", "errors:error_in_200"),
    _fault("truncated_json", "truncated JSON", "wrong_content", "errors:truncated_json"),
    _fault("blocked_event_loop", "event loop blocked for 300 ms every 2 s", "event_loop_blocked",
           "latency:blocked_event_loop",
           where=r"latency\.py .*\.block$"),
    _fault("freeze", "freeze of 0.5 s every 5 s", "freeze", "latency:freeze",
           where=r"latency\.py .*_freeze"),
    _fault("rare_freeze", "freeze of 1 s every 8 s", "freeze", "latency:rare_freeze",
           where=r"latency\.py .*_freeze"),
    _fault("one_at_a_time", "a lock serves one read at a time", "limited_concurrency",
           "concurrency:one_at_a_time",
           where=r"concurrency\.py .*_limited"),
    _fault("three_at_a_time", "a semaphore serves three reads at a time", "limited_concurrency",
           "concurrency:three_at_a_time",
           where=r"concurrency\.py .*_limited"),
    _fault("load_shed", "503 for reads beyond eight in flight", "load_shed",
           "concurrency:load_shed"),
    _fault("cpu_bound", "15 ms of CPU time in each read", "cpu_bound", "latency:cpu_bound",
           where=r"latency\.py .*_use_cpu$"),
    _fault("n_plus_one", "N+1 queries in the list", "n_plus_one", "database:n_plus_one",
           where=r"SELECT full_name FROM patients"),
    _fault("dropped_indexes", "indexes on sessions dropped", "missing_index", sql=DROP_INDEXES,
           where=r"ON public\.sessions \(therapist_id, session_date"),
    _fault("slow_statement", "a statement of 600 ms in the list", "slow_statement",
           "database:slow_statement", where=r"pg_sleep"),
    _fault("row_lock", "row locks held by a writer", "lock_contention",
           background=background.row_lock, where=r"SELECT FROM sessions FOR UPDATE.* holds"),
    _fault("idle_in_transaction", "each list holds a lock for 50 ms, in an idle transaction",
           "lock_contention", "database:idle_in_transaction",
           where=r"pg_advisory_xact_lock.* GET /api/sessions/ holds"),
    _fault("small_pool", "pool of 2 without overflow", "pool_exhausted", "database:small_pool",
           POOL),
    _fault("connection_leak", "1 % of reads leak a connection", "connections_leaked",
           "database:connection_leak"),
    _fault("limiter_off", "rate limiter off", "rate_limiter_absent", "limits:limiter_off", LIMITS),
    _fault("limiter_loose", "limit 300 instead of 100", "rate_limiter_loose",
           "limits:limiter_loose", LIMITS),
    _fault("limiter_leaky", "one in ten refused requests served", "rate_limiter_loose",
           "limits:limiter_leaky", LIMITS),
    _fault("limiter_shared", "one limit for all users together", "rate_limiter_shared",
           "limits:limiter_shared", LIMITS),
    _fault("limiter_per_process", "limit counted per process", "rate_limiter_per_process", "",
           LIMITS, workers=2),
    _fault("retry_after_missing", "no Retry-After", "rate_limiter_untrue",
           "limits:retry_after_missing", LIMITS),
    _fault("retry_after_wrong", "wrong Retry-After", "rate_limiter_untrue",
           "limits:retry_after_wrong", LIMITS),
    _fault("leak_50_kb", "50 kB leaked per request", "memory_leak", "leaks:leak_50_kb", LEAKS),
    _fault("leak_5_kb", "5 kB leaked per request", "memory_leak", "leaks:leak_5_kb", LEAKS),
    _fault("file_leak", "a file left open by every fourth request", "file_leak",
           "leaks:file_leak"),
    _fault("upload_threads", "a thread left behind by every upload", "thread_leak",
           "leaks:upload_threads", UPLOADS),
    _fault("uploads_not_stored", "upload acknowledged but not stored", "lost_writes",
           "data:uploads_not_stored", UPLOADS),
    _fault("uploads_duplicated", "upload stored twice", "doubled_writes",
           "data:uploads_duplicated", UPLOADS),
    _fault("uploads_altered", "upload altered", "altered_writes", "data:uploads_altered", UPLOADS),
    _fault("tenants_mixed", "another tenant's session readable", "foreign_data",
           "data:tenants_mixed", STEADY),
    _fault("growing_latency", "latency grows with the number of requests", "slowing_down",
           "latency:growing_latency", STEADY,
           where=r"latency\.py .*growing_latency"),
    _fault("keep_alive_off", "keep-alive off", "keep_alive_off", "connections:keep_alive_off"),
    _fault("jobs_stopped", "jobs never run", "jobs_not_draining", "", UPLOADS,
           env={"JOB_WORKER": "false"}),
)  # fmt: skip

HEALTHY = (
    Fault("unmodified", "the service unmodified"),
    Fault("filling_cache", "a cache grows to 40 MB and stops", app="healthy:filling_cache"),
    Fault("noisy_neighbor", "another process uses a core for a third of the run",
          background=background.noisy_neighbor),
    Fault("gc_pauses", "pauses of 20 ms", app="healthy:gc_pauses"),
    Fault("tail_within_target", "slow tail within the target", app="healthy:tail_within_target"),
    Fault("shared_limiter", "two workers with a shared limiter", workers=2, env=TWO_WORKERS),
    Fault("vacuum", "VACUUM and ANALYZE running", background=background.vacuum),
    Fault("slow_first_request", "a first request of 2 s", app="healthy:slow_first_request"),
    Fault("rolling_restart", "workers restarted gracefully once", app="healthy:rolling_restart",
          workers=2, env=TWO_WORKERS, background=background.rolling_restart),
)  # fmt: skip

HELD_OUT = (
    _fault("thread_leak", "threads that never end", "thread_leak", "held_out:thread_leak"),
    _fault("updates_lost", "change acknowledged but not stored", "lost_writes altered_writes",
           "held_out:updates_lost", STEADY),
    _fault("blocking_reads", "each read blocks the event loop for 50 ms", "event_loop_blocked",
           "held_out:blocking_reads",
           where=r"held_out\.py .*blocking_reads"),
    _fault("short_bodies", "3 % of reads shorter than their Content-Length",
           "connection_resets wrong_content", "held_out:short_bodies"),
    _fault("slow_uploads", "uploads +2.5 s", "slow_endpoint", "held_out:slow_uploads", STEADY,
           where=r"held_out\.py .*slow_uploads"),
    _fault("tokens_refused", "3 % of reads return 401", "endpoint_errors",
           "held_out:tokens_refused"),
    _fault("table_lock", "a migration locks a table", "lock_contention",
           background=background.table_lock, where=r"LOCK TABLE sessions.* holds"),
    _fault("database_outage", "the database is unavailable for 2 of 8 s", "database_away",
           background=background.database_outage),
    _fault("workers_killed", "one of two workers killed every 3 s",
           "service_restarted connection_resets", workers=2, env=TWO_WORKERS,
           background=background.kill_workers),
)  # fmt: skip
"""Held-out faults, not used to develop the diagnosis: they test whether its rules generalize."""

ALL = {fault.name: fault for fault in (*FAULTS, *HEALTHY, *HELD_OUT)}
GROUPS = {"faults": FAULTS, "healthy": HEALTHY, "held_out": HELD_OUT}


def select(names: Iterable[str]) -> list[Fault]:
    """Return the faults with these names; the name of a group selects all its members.

    Raises:
        UsageError: A name is unknown.
    """
    known = GROUPS | {name: (fault,) for name, fault in ALL.items()}
    names = list(names)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"unknown fault: {unknown[0]}", "make faults ARGS=--list")
    return [fault for name in names for fault in known[name]]
