"""Charts of the service, its connection pool and its database over time."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from straingauge.number_text import count
from straingauge.report.charts.chart_data import Chart, placeholder, series

Samples = Sequence[Mapping[str, float]]
Point = tuple[float, float]

MB: Final = 1e6
LEAST_STEP_S: Final = 0.2


def resource_charts(result: Mapping[str, Any]) -> list[Chart]:
    """All charts of what was sampled; a placeholder for the rest."""
    resources = result.get("resources") or {}
    samples: Samples = resources.get("samples") or []
    cores = (resources.get("machine") or {}).get("cores")
    size = (resources.get("pool") or {}).get("size")
    return [
        _chart(
            *("cpu", "CPU", "% of one core"),
            {
                "service": _shares(samples, "cpu_s"),
                "database": _shares(samples, "database_cpu_s"),
                "load generator": _shares(samples, "generator_cpu_s"),
            },
            _unseen(resources, "the service's processes were not found"),
            limits=[_line(f"{count(cores, 'core')}: {100 * cores} %", 100 * cores)]
            if cores
            else [],
        ),
        _chart(
            *("memory", "Memory of the service", "MB"),
            {
                "resident": _points(samples, "rss_bytes", 1 / MB),
                "unshared": _points(samples, "uss_bytes", 1 / MB),
            },
            _unseen(resources, "the service's processes were not found"),
            from_zero=False,
        ),
        _chart(
            *("pool", "Connection pool", "connections"),
            {
                "in use": _points(samples, "pool_in_use"),
                "waiting": _points(samples, "pool_waiters"),
            },
            "the service exports no pool metrics",
            limits=[_line(f"size {size:g}", size)] if size else [],
        ),
        _chart(
            *("database", "PostgreSQL", "connections"),
            {
                "active": _points(samples, "db_active"),
                "idle in transaction": _points(samples, "db_idle_in_transaction"),
                "waiting for a lock": _points(samples, "db_waiting_for_locks"),
                "blocked": _points(samples, "db_blocked"),
            },
            _unseen(resources, "no database was given (--database-url, DATABASE_URL)"),
        ),
        _chart(
            *("loop", "Event loop blocked", "ms per second"),
            {"blocked": _growth(samples, "loop_blocked_s", 1000)},
            "the service exports no event loop metrics",
        ),
        _chart(
            *("jobs", "Background jobs", "waiting"),
            {"waiting": _points(samples, "jobs_waiting")},
            "the service exports no job metrics",
        ),
        _chart(
            *("handles", "Open files and threads", ""),
            {
                "open files": _points(samples, "open_files"),
                "threads": _points(samples, "threads"),
                "processes": _points(samples, "processes"),
            },
            _unseen(resources, "the service's processes were not found"),
        ),
    ]


def _chart(
    chart_id: str,
    title: str,
    unit: str,
    lines: Mapping[str, Sequence[Point]],
    why: str,
    *,
    limits: Sequence[Chart] = (),
    from_zero: bool = True,
) -> Chart:
    """Lines over the times of all their samples."""
    seen = {name: dict(points) for name, points in lines.items() if points}
    if not seen:
        return placeholder(chart_id, title, f"not measured: {why}")
    if not any(value for of in seen.values() for value in of.values()):
        return placeholder(chart_id, title, f"always 0: {', '.join(seen)}")
    x = sorted(set().union(*seen.values()))
    return {
        "id": chart_id,
        "title": title,
        "unit": unit,
        "kind": "lines",
        "zero": from_zero,
        "sparse": True,
        "x": [round(t_s, 3) for t_s in x],
        "series": [series(name, [of.get(t_s) for t_s in x]) for name, of in seen.items()],
        "limits": [*limits],
        "placeholder": None,
    }


def _points(samples: Samples, key: str, unit: float = 1.0) -> list[Point]:
    return [(sample["t_s"], sample[key] * unit) for sample in samples if key in sample]


def _growth(samples: Samples, key: str, unit: float) -> list[Point]:
    """Growth of a counter per second, at the end of each step; a restart counts from 0.

    Samples less than `LEAST_STEP_S` apart count as one, since CPU time has a coarse tick.
    """
    found: list[Point] = []
    points = _points(samples, key)
    for (t0_s, before), (t_s, now) in pairwise(_apart(points)):
        grown = now - before if now >= before else now
        found.append((t_s, max(grown, 0.0) * unit / (t_s - t0_s)))
    return found


def _apart(points: Sequence[Point]) -> list[Point]:
    """Points that are at least `LEAST_STEP_S` apart."""
    kept: list[Point] = []
    for point in points:
        if not kept or point[0] - kept[-1][0] >= LEAST_STEP_S:
            kept.append(point)
    return kept


def _shares(samples: Samples, key: str) -> list[Point]:
    """CPU time as percent of one core."""
    return _growth(samples, key, 100)


def _line(name: str, y: float) -> Chart:
    return {"name": name, "grade": "bound", "y": y}


def _unseen(resources: Mapping[str, Any], why: str) -> str:
    """The reason, from the observer if it gave one."""
    unseen = (resources.get("database") or {}).get("unavailable") or []
    return "; ".join(unseen) if unseen and "database" in why else why
