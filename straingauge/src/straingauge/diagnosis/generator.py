"""When it was not the service: the generator itself, and other programs on its machine."""

from straingauge.diagnosis.cause import Cause, Rules, make_cause, scale
from straingauge.diagnosis.result_view import ResultView

MACHINE = ("resources", "machine")
MUCH = 30.0  # percent of one core
WANTS_MUCH = 50.0  # percent of one core
FULL = 0.85  # of all cores: below it there was CPU left for everybody
OWN_PAUSE_MS = 200.0  # want of CPU makes late by some scheduler slices, not by this much


def generator_saturated(facts: ResultView) -> Cause | None:
    """Speaks when the generator says that it was late; sure when it had used up its own core."""
    busy, late = (facts.reasons.get(name) for name in ("generator_saturated", "generator_late"))
    reason = busy or late
    if reason is None:
        return None
    confidence = 0.7 if reason.get("severity") == "invalid" else 0.3
    return make_cause(
        "generator_saturated", 0.95 if busy else confidence, (str(reason.get("message")),)
    )


def noisy_neighbour(facts: ResultView) -> Cause | None:
    """Speaks when others filled the machine, and the service shows no fault of its own.

    A fair scheduler takes little from those who want little: a service that needs a tenth of a core
    is delayed by some slices, not by seconds. So only one that wanted much has had too little,
    unless the generator was late as well. A loop that is blocked for long, locks, waits in vain for
    connections are the service's own, whoever else is busy. Where the service's processes are not
    seen here, what is busy here holds up nobody but the generator.
    """
    others = facts.figure(*MACHINE, "others_cpu_percent", "avg")
    cores = facts.figure(*MACHINE, "cores") or facts.figure("environment", "machine", "cpu_count")
    used = facts.figure(*MACHINE, "cpu_percent", "avg")
    late = facts.reasons.keys() & {"generator_saturated", "generator_late"}
    full = bool(cores) and used >= 100 * FULL * cores
    elsewhere = facts.at("resources", "service", "seen_by") in ("metrics", "nothing")
    if others < MUCH or not (late or (full and not elsewhere)) or _own_fault(facts):
        return None
    neighbours = [
        f"{row.get('name')} ({row.get('cpu_percent')} %)"
        for row in facts.rows(*MACHINE, "neighbours")[:3]
    ]
    evidence = [
        f"other programs used {others:.0f} % of a core on average, all together {used:.0f} % of"
        f" {cores:.0f} cores"
    ]
    if neighbours:
        evidence.append(f"the busiest of them: {', '.join(neighbours)}")
    confidence = scale(others, MUCH, 100) if full else min(scale(others, MUCH, 100), 0.6)
    if not late and facts.figure("resources", "service", "cpu_percent", "avg") < WANTS_MUCH:
        confidence = min(confidence, 0.25)
    return make_cause("noisy_neighbour", confidence, tuple(evidence))


RULES: Rules = {"generator_saturated": generator_saturated, "noisy_neighbour": noisy_neighbour}


def _own_fault(facts: ResultView) -> bool:
    """Whether the service's own figures show more than want of CPU."""
    return bool(
        facts.figure("resources", "service", "event_loop", "longest_ms") >= OWN_PAUSE_MS
        or facts.figure("resources", "pool", "timeouts")
        or facts.figure("resources", "database", "blocked", "longest_s") >= 0.5
        or facts.errors
    )
