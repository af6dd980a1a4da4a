"""Metrics of the service, its pool, its database and this machine, as labelled text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from straingauge.number_text import count, number, percent, share, signed

Metric = tuple[str, str]
"""A label, and the value with its unit."""

MAX_WAITS: Final = 5


def resource_groups(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the groups of metrics that have any.

    Args:
        resources: The `resources` of a result.

    Returns:
        Objects with ``title`` and ``metrics``: pairs of label and value.
    """
    database = resources["database"]
    groups = (
        ("Service", _service(resources["service"] or {}, resources["jobs"])),
        ("Connection pool", _pool(resources["pool"] or {})),
        ("PostgreSQL", _database(database or {})),
        ("PostgreSQL wait events", _waits(database["waits"] if database else [])),
        ("This machine", _machine(resources)),
    )
    listed = ((title, [*metrics]) for title, metrics in groups)
    return [{"title": title, "metrics": metrics} for title, metrics in listed if metrics]


def _service(service: Mapping[str, Any], jobs: Mapping[str, Any] | None) -> Iterator[Metric]:
    if memory := service.get("memory"):
        yield "memory", number(memory["final_mb"], "MB")
        yield "peak memory", number(memory["peak_mb"], "MB")
        if (growth := memory["growth_mb"]) is not None:
            still_growing = ", still growing" if memory["still_growing"] and growth > 0 else ""
            yield "memory growth", f"{signed(growth)} MB{still_growing}"
    if cpu := service.get("cpu_percent"):
        yield "CPU (one core)", _average_and_peak(cpu)
    for key, label in (("threads", "threads"), ("open_files", "open files")):
        if level := service.get(key):
            yield label, f"{level['final']:,.0f} (peak {level['peak']:,.0f})"
    if (restarts := service.get("restarts")) and (restarts["started"] or restarts["exited"]):
        yield (
            "worker processes",
            f"{restarts['started']:,.0f} started, {restarts['exited']:,.0f} exited",
        )
    if loop := service.get("event_loop"):
        longest = f", longest {number(loop['longest_ms'], 'ms')}" if loop["longest_ms"] else ""
        yield "event loop blocked", f"{count(round(loop['blocks']), 'time')}{longest}"
    if jobs:
        waiting = jobs["waiting"]
        yield "jobs waiting", f"{waiting['final']:,.0f} (peak {waiting['peak']:,.0f})"
        yield "jobs done", f"{jobs['done'] or 0}"


def _pool(pool: Mapping[str, Any]) -> Iterator[Metric]:
    if not pool:
        return
    size = "" if pool["size"] is None else f" of {pool['size']:,.0f}"
    yield "peak in use", f"{pool['peak_in_use']:,.0f}{size}"
    for key, label in (("peak_overflow", "peak overflow"), ("peak_waiters", "peak waiters")):
        if pool[key] is not None:
            yield label, f"{pool[key]:,.0f}"
    if pool["waits"] is not None:
        yield "waits", f"{pool['waits']:,.0f}, {number(pool['avg_wait_ms'], 'ms')} on average"
    if pool["timeouts"] is not None:
        yield "timeouts", f"{pool['timeouts']:,.0f}"


def _database(database: Mapping[str, Any]) -> Iterator[Metric]:
    connections = database.get("connections") or {}
    if (peak := connections.get("peak")) is not None:
        limit = connections.get("max")
        yield "peak connections", f"{peak:,.0f}" + (f" of {limit:,.0f}" if limit else "")
    if (active := connections.get("active_peak")) is not None:
        yield "peak active", f"{active:,.0f}"
    if (idle := connections.get("idle_in_transaction_peak")) is not None:
        longest_s = connections.get("idle_in_transaction_longest_s") or 0.0
        yield "peak idle in transaction", f"{idle:,.0f}, longest {number(1000 * longest_s, 'ms')}"
    blocked = database.get("blocked")
    if blocked and blocked["peak"] is not None:
        longest = f", longest {number(blocked['longest_s'], 's')}" if blocked["peak"] else ""
        yield "peak blocked by locks", f"{blocked['peak']:,.0f}{longest}"
    for key, label in (("cache_hit_percent", "cache hits"), ("deadlocks", "deadlocks")):
        if (value := database.get(key)) is not None:
            yield label, percent(value) if key.endswith("percent") else f"{value:,}"


def _waits(waits: Sequence[Mapping[str, Any]]) -> Iterator[Metric]:
    for wait in waits[:MAX_WAITS]:
        yield wait["event"], f"{share(wait['share'])}, peak {wait['peak']:,.0f}"


def _machine(resources: Mapping[str, Any]) -> Iterator[Metric]:
    if machine := resources["machine"]:
        if cpu := machine["cpu_percent"]:
            yield f"CPU ({count(machine['cores'], 'core')})", _average_and_peak(cpu)
        if others := machine["others_cpu_percent"]:
            yield "CPU of other programs", _average_and_peak(others)
    processes = resources["generator"]["processes"].values()
    if processes:
        busiest = max(each["cpu_percent"] for each in processes)
        yield "load generator, busiest process", percent(busiest, 0)
        lag_ms = max(each["loop_lag_p99_ms"] for each in processes)
        yield "load generator loop lag p99", number(lag_ms, "ms")


def _average_and_peak(cpu: Mapping[str, float]) -> str:
    return f"{percent(cpu['avg'], 0)}, peak {percent(cpu['peak'], 0)}"
