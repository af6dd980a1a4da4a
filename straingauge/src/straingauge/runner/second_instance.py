"""Requests to a second instance of the service, after the load."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from straingauge.engine import run_load
from straingauge.http.traceparent import TraceIds
from straingauge.journey import User
from straingauge.recording import Recorder
from straingauge.runner.load_spec import LoadSpec
from straingauge.runner.login import Login, LoginCache
from straingauge.schedule import Schedule

MAX_USERS: Final = 4
MAX_TIMEOUT_S: Final = 10.0


class SecondInstanceLoad:
    """Sends the journeys of a load to a second instance, by a few of its users.

    Args:
        spec: The load.
        url: URL of the second instance.
        recorder: Receives the outcomes.
        logins: The users that are logged in.
        trace_ids: Makes the header `traceparent`, if it is to be sent.
    """

    def __init__(
        self,
        spec: LoadSpec,
        url: str,
        recorder: Recorder,
        logins: LoginCache,
        trace_ids: TraceIds | None = None,
    ) -> None:
        self._users = spec.users[:MAX_USERS]
        self._spec = replace(
            spec,
            users=self._users,
            warm_up=None,
            connections="per-user",
            max_connections=None,
            timeout_s=min(spec.timeout_s, MAX_TIMEOUT_S),
        )
        self._url = url
        self._recorder = recorder
        self._logins = logins
        self._trace_ids = trace_ids

    def send(self, schedule: Schedule) -> None:
        """Log the users in, unless they are, and run their journeys by a schedule.

        Raises:
            TargetError: A user could not log in.
        """
        self._log_in(self._users)
        load = self._spec.load(self._url, schedule=schedule)
        run_load(load, self._recorder, trace_ids=self._trace_ids)

    def _log_in(self, users: Sequence[User]) -> None:
        missing = self._logins.missing(users)
        if self._spec.log_in is None or not missing:
            return
        login = Login(self._spec.log_in, missing)
        load = self._spec.single_run(self._url, login.journey, missing)
        run_load(load, self._recorder, phase="setup", stop=login.has_failed)
        login.require_complete(self._url, self._recorder.snapshot())
        self._logins.add(login.completed)
