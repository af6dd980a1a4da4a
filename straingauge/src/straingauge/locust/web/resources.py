"""What was seen inside the service, its pool, its database and this machine, as labelled words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from straingauge.report.format import number

Figure = tuple[str, str]
"""A label, and the figure with its unit."""

MOST_WAITS: Final = 5


def inside(resources: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groups of figures, those of which there are any.

    Args:
        resources: As a result has them.

    Returns:
        Objects of ``title`` and ``figures``: pairs of label and figure.
    """
    database = resources["database"]
    groups = (
        ("Service", _service(resources["service"] or {}, resources["jobs"])),
        ("Connection pool", _pool(resources["pool"] or {})),
        ("PostgreSQL", _database(database or {})),
        ("PostgreSQL: waits while at work", _waits(database["waits"] if database else [])),
        ("This machine", _machine(resources)),
    )
    told = ((title, [*figures]) for title, figures in groups)
    return [{"title": title, "figures": figures} for title, figures in told if figures]


def _service(service: Mapping[str, Any], jobs: Mapping[str, Any] | None) -> Iterator[Figure]:
    if memory := service.get("memory"):
        yield "memory now", f"{memory['final_mb']:.0f} MB"
        yield "memory at most", f"{memory['peak_mb']:.0f} MB"
        if (grown := memory["growth_mb"]) is not None:
            going_on = ", and it goes on" if memory["still_growing"] and grown > 0 else ""
            yield "memory, change", f"{grown:+.1f} MB{going_on}"
    if cpu := service.get("cpu_percent"):
        yield "CPU, of one core", _share(cpu)
    for key, label in (("threads", "threads"), ("open_files", "open files")):
        if level := service.get(key):
            yield label, f"{level['final']:.0f} (at most {level['peak']:.0f})"
    if (restarts := service.get("restarts")) and (restarts["started"] or restarts["exited"]):
        yield "worker processes", f"{restarts['born']:.0f} born, {restarts['died']:.0f} died"
    if loop := service.get("event_loop"):
        longest = f", {number(loop['longest_ms'])} ms at most" if loop["longest_ms"] else ""
        yield "blocks of the event loop", f"{loop['blocks']:.0f}{longest}"
    if jobs:
        waiting = jobs["waiting"]
        yield "jobs waiting", f"{waiting['final']:.0f} (at most {waiting['peak']:.0f})"
        yield "jobs done", f"{jobs['done'] or 0}"


def _pool(pool: Mapping[str, Any]) -> Iterator[Figure]:
    if not pool:
        return
    size = "" if pool["size"] is None else f" of {pool['size']:.0f}"
    yield "in use at most", f"{pool['peak_in_use']:.0f}{size}"
    for key, label in (("peak_overflow", "overflow at most"), ("peak_waiters", "waiting at most")):
        if pool[key] is not None:
            yield label, f"{pool[key]:.0f}"
    if pool["waits"] is not None:
        yield "waits", f"{pool['waits']:.0f}, {number(pool['avg_wait_ms'])} ms each"
    if pool["timeouts"] is not None:
        yield "timed out", f"{pool['timeouts']:.0f}"


def _database(database: Mapping[str, Any]) -> Iterator[Figure]:
    connections = database.get("connections") or {}
    if (peak := connections.get("peak")) is not None:
        limit = connections.get("max")
        yield "connections at most", f"{peak:.0f}" + (f" of {limit:.0f}" if limit else "")
    if (active := connections.get("active_peak")) is not None:
        yield "at work at most", f"{active:.0f}"
    if (idle := connections.get("idle_in_transaction_peak")) is not None:
        longest_s = connections.get("idle_in_transaction_longest_s") or 0.0
        yield "idle in a transaction at most", f"{idle:.0f}, {number(1000 * longest_s)} ms"
    blocked = database.get("blocked")
    if blocked and blocked["peak"] is not None:
        longest = f", {blocked['longest_s']:.1f} s at most" if blocked["peak"] else ""
        yield "held up by another", f"{blocked['peak']:.0f}{longest}"
    for key, label in (("cache_hit_percent", "found in cache"), ("deadlocks", "deadlocks")):
        if (value := database.get(key)) is not None:
            yield label, f"{value:g}" + (" %" if key.endswith("percent") else "")


def _waits(waits: Sequence[Mapping[str, Any]]) -> Iterator[Figure]:
    for wait in waits[:MOST_WAITS]:
        yield wait["event"], f"{wait['share']:.0%}, {wait['peak']:.0f} at a time"


def _machine(resources: Mapping[str, Any]) -> Iterator[Figure]:
    if machine := resources["machine"]:
        if cpu := machine["cpu_percent"]:
            yield f"CPU, of {machine['cores']} cores", _share(cpu)
        if others := machine["others_cpu_percent"]:
            yield "of it, others' programs", _share(others)
    processes = resources["generator"]["processes"].values()
    if processes:
        busiest = max(each["cpu_percent"] for each in processes)
        yield "load generator, busiest", f"{busiest:.0f} %"
        lag_ms = max(each["loop_lag_p99_ms"] for each in processes)
        yield "load generator late, p99", f"{number(lag_ms)} ms"


def _share(cpu: Mapping[str, float]) -> str:
    return f"{cpu['avg']:.0f} %, at most {cpu['peak']:.0f} %"
