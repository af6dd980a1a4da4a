"""The names of a service's metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

from straingauge.errors import UsageError

# OpenTelemetry's conventions before and since version 1.26 (SQLAlchemy's instrumentation adds the
# unit), Micrometer with HikariCP, and Go's collector of database/sql.
EXPORTED: Final[Mapping[str, Sequence[str]]] = {
    "pool_size": (
        "db_client_connections_max",
        "db_client_connection_max",
        "hikaricp_connections_max",
        "go_sql_max_open_connections",
    ),
    "pool_in_use": (
        'db_client_connections_usage{state="used"}',
        'db_client_connections_usage_connections{state="used"}',
        'db_client_connection_count{state="used"}',
        "hikaricp_connections_active",
        "go_sql_in_use_connections",
    ),
    "pool_waiters": (
        "db_client_connections_pending_requests",
        "db_client_connection_pending_requests",
        "hikaricp_connections_pending",
    ),
    "pool_waits": (
        "db_client_connection_wait_time_seconds_count",
        "hikaricp_connections_acquire_seconds_count",
        "go_sql_wait_count_total",
    ),
    "pool_wait_s": (
        "db_client_connection_wait_time_seconds_sum",
        "hikaricp_connections_acquire_seconds_sum",
        "go_sql_wait_duration_seconds_total",
    ),
    "pool_timeouts": (
        "db_client_connections_timeouts_total",
        "db_client_connection_timeouts_total",
        "hikaricp_connections_timeout_total",
    ),
    "rss_bytes": (
        "process_memory_usage_bytes",
        "process_memory_usage",
        'process_runtime_cpython_memory_bytes{type="rss"}',
        "process_working_set_bytes",
    ),
    "cpu_s": ("process_cpu_time_seconds_total", "process_runtime_cpython_cpu_time_seconds_total"),
    "open_files": (
        "process_open_file_descriptor_count",
        "process_unix_file_descriptor_count",
        "process_files_open_files",
        "process_open_handles",
    ),
    # The longest delay of Node's event loop since the last request for metrics (prom-client), and
    # since the last export (OpenTelemetry).
    "loop_lag_s": ("nodejs_eventloop_lag_max_seconds", "nodejs_eventloop_delay_max_seconds"),
    # OpenTelemetry, Inside, Micrometer, and the Prometheus clients of Java, Go and .NET.
    "threads": (
        "process_thread_count",
        "process_runtime_cpython_thread_count",
        "jvm_thread_count",
        "jvm_threads_live_threads",
        "jvm_threads_current",
        "go_threads",
        "process_num_threads",
    ),
}


@dataclass(frozen=True, slots=True)
class MetricNames:
    """The names of the service's metrics: the table ``[observe]`` of straingauge.toml.

    A metric that is not found under its name is looked for under those of common exporters.
    """

    metrics_path: str = "/metrics"
    pool_size: str = "db_pool_size"
    pool_in_use: str = "db_pool_in_use"
    pool_overflow: str = "db_pool_overflow"
    pool_waiters: str = "db_pool_waiters"
    pool_wait_seconds: str = "db_pool_wait_seconds"
    pool_timeouts: str = "db_pool_timeouts_total"
    event_loop_blocks: str = "event_loop_blocks_total"
    event_loop_blocked_seconds: str = "event_loop_blocked_seconds_total"
    event_loop_longest_block_seconds: str = "event_loop_longest_block_seconds"
    jobs_waiting: str = "jobs_waiting"
    jobs_done: str = "jobs_done_total"
    resident_memory: str = "process_resident_memory_bytes"
    cpu_seconds: str = "process_cpu_seconds_total"
    open_files: str = "process_open_fds"
    threads: str = "process_threads"

    @classmethod
    def parse(cls, table: object, *, source: str) -> "MetricNames":
        """Read the names from a TOML table.

        Raises:
            UsageError: It is no table, or a key is unknown or not a text.
        """
        if not isinstance(table, Mapping):
            raise UsageError(f"{source}: observe must be a table: [observe]")
        known = {item.name for item in fields(cls)}
        for key, value in table.items():
            if key not in known or not isinstance(value, str):
                raise UsageError(
                    f"{source}: [observe] {key} = {value!r} is not valid",
                    hint=f"each is the name of a metric: {', '.join(sorted(known))}",
                )
        return cls(**{key: str(value) for key, value in table.items()})

    def service_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the values of the pool, the event loop and the jobs, by sample key."""
        return _values(
            metrics,
            {
                "pool_size": self.pool_size,
                "pool_in_use": self.pool_in_use,
                "pool_overflow": self.pool_overflow,
                "pool_waiters": self.pool_waiters,
                "pool_waits": f"{self.pool_wait_seconds}_count",
                "pool_wait_s": f"{self.pool_wait_seconds}_sum",
                "pool_timeouts": self.pool_timeouts,
                "loop_blocks": self.event_loop_blocks,
                "loop_blocked_s": self.event_loop_blocked_seconds,
                "loop_longest_s": self.event_loop_longest_block_seconds,
                "jobs_waiting": self.jobs_waiting,
                "jobs_done": self.jobs_done,
                "loop_lag_s": "",
            },
        )

    def processes(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the service's values for its own processes, if they cannot be observed."""
        return _values(
            metrics,
            {
                "rss_bytes": self.resident_memory,
                "cpu_s": self.cpu_seconds,
                "open_files": self.open_files,
                "threads": self.threads,
            },
        )


def _values(metrics: Mapping[str, float], names: Mapping[str, str]) -> dict[str, float]:
    """Return the values of metrics by key, under the given names, or else those of exporters."""
    found = {}
    for key, name in names.items():
        known = next((each for each in (name, *EXPORTED.get(key, ())) if each in metrics), None)
        if known is not None:
            found[key] = metrics[known]
    return found
