"""A load shape by number of users, which changes linearly from stage to stage."""

from collections.abc import Sequence
from typing import Any, ClassVar

from locust import LoadTestShape, events
from locust.env import Environment

from straingauge.errors import UsageError
from straingauge.locust.events import errors_end_locust
from straingauge.schedule import RampingUsers, stages


class UserStages(LoadTestShape):
    """Linear changes of the number of users: ``stages = ["30s:100", "2m:100", "30s:0"]``.

    See `straingauge.stages`; the first stage starts at 0. The number changes once a second, at a
    service that is slower than `spawn_rate` later.

    Attributes:
        stages: The stages, as DURATION:USERS.
        spawn_rate: Users started or stopped per second at most.
    """

    abstract = True
    stages: ClassVar[Sequence[str]]
    spawn_rate: ClassVar[float] = 100.0

    @property
    def schedule(self) -> RampingUsers:
        """The stages as a schedule.

        Raises:
            UsageError: There are none, or they are arrival rates.
        """
        name = type(self).__name__
        given = getattr(self, "stages", ())
        if not given:
            raise UsageError(f"the shape {name} has no stages", hint='stages = ["30s:100"]')
        found = stages(*given)
        if not isinstance(found, RampingUsers):
            raise UsageError(
                f"the stages {', '.join(given)} are arrival rates",
                hint=f"write class {name}(RateStages), or leave out the unit",
            )
        return found

    @property
    def configuration(self) -> dict[str, Any]:
        """The shape in the result file."""
        schedule = self.schedule
        return {
            "name": type(self).__name__,
            "users": schedule.count,
            "duration_s": schedule.duration_s,
            "stages": list(self.stages),
        }

    def tick(self) -> tuple[int, float] | None:
        """Return the number of users and the spawn rate, or None at the end of the run.

        Called by Locust once a second.
        """
        schedule, now_s = self.schedule, self.get_run_time()
        if now_s >= schedule.duration_s:
            return None
        return schedule.users_at(now_s), self.spawn_rate


@events.init.add_listener
def _on_init(environment: Environment, **_: object) -> None:
    """End Locust with a message if the stages are not valid.

    Raises:
        SystemExit: The message was printed.
    """
    with errors_end_locust():
        for shape in (environment.available_shape_classes or {}).values():
            if isinstance(shape, UserStages):
                shape.schedule  # noqa: B018  raises if it is not valid
