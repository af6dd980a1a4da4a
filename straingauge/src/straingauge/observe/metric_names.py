"""The names of a service's metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from straingauge.errors import UsageError


@dataclass(frozen=True, slots=True)
class MetricNames:
    """The names of the service's metrics: the table ``[observe]`` of straingauge.toml."""

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

    @classmethod
    def parse(cls, table: Mapping[str, object], *, source: str) -> "MetricNames":
        """Read the names from a TOML table; raise UsageError for an unknown key."""
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
        wanted = {
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
        }
        return {key: metrics[name] for key, name in wanted.items() if name in metrics}

    def processes(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the service's values for its own processes, if they cannot be observed."""
        wanted = {
            "rss_bytes": self.resident_memory,
            "cpu_s": self.cpu_seconds,
            "open_files": self.open_files,
        }
        return {key: metrics[name] for key, name in wanted.items() if name in metrics}
