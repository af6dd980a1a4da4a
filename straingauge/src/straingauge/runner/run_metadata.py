"""The metadata of a run, made from its specification."""

from typing import Final

from straingauge.journey.execution import journey_name
from straingauge.number_text import count
from straingauge.observe.listener import describe_listener
from straingauge.redaction import redact
from straingauge.result.assembly import environment
from straingauge.result.format.json_values import as_json
from straingauge.result.format.result import PlannedScenario
from straingauge.runner.load_spec import LoadSpec
from straingauge.runner.warmup import schedule_as_dict, warm_up_as_dict
from straingauge.schedule import ClosedSchedule, Waves
from straingauge.workers import RunMetadata
from straingauge.workers.run_clock import read_clocks

MOST_JOURNEYS: Final = 3  # named in one line


def run_metadata(spec: LoadSpec, url: str) -> RunMetadata:
    """Describe a load that is about to start.

    Args:
        spec: The load.
        url: Base URL of the service.
    """
    schedule = spec.schedule
    min_requests = schedule.concurrent * schedule.at_least if isinstance(schedule, Waves) else None
    started_at, started_ns = read_clocks()
    return RunMetadata(
        name=spec.name,
        test=spec.test,
        description=describe(spec, url),
        started_at=started_at,
        started_ns=started_ns,
        configuration={
            "target": url,
            "users": len(spec.users),
            "timeout_s": spec.timeout_s,
            "connections": spec.connections,
            "max_connections": spec.max_connections,
            "schedule": schedule_as_dict(schedule),
            **({"scenarios": _scenarios(spec)} if spec.scenarios else {}),
            "warm_up": warm_up_as_dict(spec.warm_up),
            **({"http": dict(spec.http.as_dict())} if spec.http.as_dict() else {}),
            **as_json(spec.configuration),
        },
        environment=environment(spec.test_file.parent),
        users=len(spec.users) if spec.log_in else 0,
        duration_s=schedule.duration_s,
        cooldown_s=spec.cooldown_s,
        verify=journey_name(spec.verify) if spec.verify else "",
        min_requests=min_requests,
        thresholds_file=spec.thresholds_file,
        results_dir=spec.results_dir,
        required_endpoints=spec.required_endpoints,
        abort_dead_s=spec.abort_dead_s,
        percentiles=spec.thresholds.percentiles(spec.name),
    )


def _scenarios(spec: LoadSpec) -> list[PlannedScenario]:
    """Describe the scenarios for the configuration in a result."""
    return [
        {
            "name": each.name,
            "journeys": {journey_name(journey): weight for journey, weight in each.mix.weights},
            "users": len(each.users),
            "start_s": each.start_s,
            "duration_s": each.schedule.duration_s,
            "is_open": not isinstance(each.schedule, ClosedSchedule),
            "tags": list(each.tags),
        }
        for each in spec.scenarios
    ]


def describe(spec: LoadSpec, url: str) -> str:
    """Describe a load in one line, so that a wrong target is noticed before the load.

    For example: "GET /health -> http://localhost:8000 (uvicorn, pid 23747), 10 users, 10 s".
    """
    names = [each.name for each in spec.scenarios] or [
        journey_name(journey) for journey, _ in spec.journeys.weights
    ]
    more = [f"{len(names) - MOST_JOURNEYS} more"] if len(names) > MOST_JOURNEYS else []
    users = count(len(spec.users), "user")
    duration_s = spec.schedule.duration_s
    listener = describe_listener(spec.http.listening_url(url))
    parts = [
        f"{', '.join([*names[:MOST_JOURNEYS], *more])} -> {url}{listener}",
        users,
        *([] if duration_s is None else [f"{duration_s:g} s"]),
        *(["CERTIFICATES ARE NOT CHECKED (insecure)"] if spec.http.insecure else []),
    ]
    return redact(", ".join(parts))
