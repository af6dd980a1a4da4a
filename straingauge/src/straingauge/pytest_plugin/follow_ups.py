"""Examinations of the service after a load, before its result is judged for good."""

from straingauge.runner import (
    DatabasePlans,
    ExplainPass,
    FollowUp,
    LoadSpec,
    LoginCache,
    MemoryPass,
    ReceivedTraces,
    ServiceDatabase,
)
from straingauge.traces import Receiver
from straingauge.workers import CoordinatorClient, MergedReports


def follow_ups(
    spec: LoadSpec,
    coordinator: CoordinatorClient,
    merged: MergedReports,
    *,
    logins: LoginCache,
    receiver: Receiver | None,
) -> list[FollowUp]:
    """Return those of one load, in order; each decides by itself whether there is a reason.

    Args:
        spec: The load.
        coordinator: Knows the service, and shows a line before each.
        merged: The reports of the load.
        logins: The users that are logged in.
        receiver: The spans that were received during the load, if they were.
    """
    started, say = coordinator.started, coordinator.say
    found: list[FollowUp] = [] if receiver is None else [ReceivedTraces(receiver.buffer, merged)]
    if spec.plans:
        found.append(DatabasePlans(ServiceDatabase.of(spec, started), say))
    found.append(ExplainPass(spec, started, say, logins=logins))
    found.append(MemoryPass(spec, started, say, logins=logins))
    return found
