"""The `machine` section of a result: CPU time of the machine by group."""

from collections.abc import Mapping, Sequence

import psutil

from straingauge.observe import Observations, Sample
from straingauge.result.assembly.sampling import increase, points, shares, whole
from straingauge.result.format.resources import Machine, Neighbour

OWNERS = ("service_family_cpu_s", "database_cpu_s", "generator_cpu_s")
MAX_NEIGHBOURS = 3
BUSY_PERCENT = 10.0


def machine(observations: Observations) -> Machine | None:
    """Compose the section, in percent of one core.

    `others_cpu_percent` is None if the service runs here and its processes are not observed.
    """
    samples = [sample for sample in observations.samples if "machine_cpu_s" in sample]
    total = shares(points(samples, "machine_cpu_s"))
    if total is None:
        return None
    elapsed_s = (samples[-1]["t_ns"] - samples[0]["t_ns"]) / 1e9
    return {
        "cores": psutil.cpu_count(),  # all, since the CPU time is that of the whole machine
        "cpu_percent": total,
        "others_cpu_percent": shares(_others(samples), counter=False),
        "database_cpu_percent": shares(points(samples, "database_cpu_s")),
        "generator_cpu_percent": shares(points(samples, "generator_cpu_s")),
        "neighbours": _neighbours(observations.neighbours, elapsed_s),
        "oom_kills": whole(increase(observations.samples, "machine_oom_kills")),
    }


def _others(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """Return the CPU time of no known group; a late clock tick may make it decrease a little."""
    return [
        (sample["t_ns"] / 1e9, sample["machine_cpu_s"] - sum(sample[key] for key in OWNERS))
        for sample in samples
        if all(key in sample for key in OWNERS)
    ]


def _neighbours(used_s: Mapping[str, float], elapsed_s: float) -> list[Neighbour]:
    if not elapsed_s:
        return []
    busiest = sorted(used_s.items(), key=lambda item: -item[1])[:MAX_NEIGHBOURS]
    percent = [(name, 100 * each_s / elapsed_s) for name, each_s in busiest]
    return [
        {"name": name, "cpu_percent": round(each, 1)}
        for name, each in percent
        if each >= BUSY_PERCENT
    ]
