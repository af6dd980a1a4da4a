"""The control endpoint of a running load, on this machine, with a token.

GET  /status                 the state of the load
POST /rate     percent=150   arrival rate, in percent of the schedule's
POST /users    count=20      users that begin journeys (closed model), up to those of the load
POST /pause                  no journey begins
POST /resume
POST /stop                   the load ends, and what it measured is judged
"""

import json
import math
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

from straingauge.engine import Pace
from straingauge.live_view.loopback_server import (
    LoopbackServer,
    Parameters,
    RefusedError,
    Reply,
    Route,
)
from straingauge.number_text import count, plain
from straingauge.runner.live_run import LiveRun
from straingauge.statistics import metrics
from straingauge.workers import Ending
from straingauge.workers.merge import merge_reports

MAX_PERCENT: Final = 10_000.0


class Loads(Protocol):
    """The loads of this process; see `straingauge.workers.Coordinator`."""

    def end_load(self, test: str, ending: Ending) -> bool:
        """End a running load; return whether one was running."""

    def set_pace(self, test: str, pace: Pace, change: str) -> bool:
        """Change a running load; return whether one was running."""


class Control:
    """The routes of the endpoint.

    Args:
        run: The run in progress.
        loads: Returns the loads of this process.
        say: Called with a line for the user after each change.
    """

    def __init__(
        self, run: LiveRun, loads: Callable[[], Loads], say: Callable[[str], None]
    ) -> None:
        self._run = run
        self._loads = loads
        self._say = say
        self._pace = Pace()
        self._of = ""

    def routes(self) -> dict[tuple[str, str], Route]:
        """Return the routes; each needs the token."""
        return {
            ("GET", "/status"): Route(self._status, needs_token=True),
            ("POST", "/rate"): Route(self._rate, needs_token=True),
            ("POST", "/users"): Route(self._users, needs_token=True),
            ("POST", "/pause"): Route(lambda _: self._pause(paused=True), needs_token=True),
            ("POST", "/resume"): Route(lambda _: self._pause(paused=False), needs_token=True),
            ("POST", "/stop"): Route(self._stop, needs_token=True),
        }

    def _status(self, _: Parameters = {}) -> Reply:  # noqa: B006  never changed
        state, busy = self._run.state()
        progress = self._run.progress()
        found: dict[str, Any] = {
            "state": state,
            "elapsed_s": progress["elapsed_s"],
            "duration_s": progress["duration_s"],
            "busy_users": busy,
            "rate_percent": self._current.rate_percent,
            "users": self._current.users,
            "paused": self._current.paused,
        }
        merged = self._run.merged
        if merged is not None and merged.reports:
            measured = metrics(merge_reports(merged.reports))
            latency = measured["latency_ms"]
            found |= {
                "requests": measured["total_requests"],
                "error_rate_percent": measured["error_rate_percent"],
                **{f"{name}_ms": latency[name] for name in ("p50", "p95", "p99")},
            }
        return Reply(json.dumps(found) + "\n")

    @property
    def _current(self) -> Pace:
        """The pace of the load in progress: another load begins at its own."""
        if self._of != self._run.load_id:
            self._of, self._pace = self._run.load_id, Pace()
        return self._pace

    def _rate(self, parameters: Parameters) -> Reply:
        if self._kind() in _CLOSED:
            raise RefusedError(409, "the load has users, not a rate: POST /users count=N")
        percent = _number(parameters, "percent", "150")
        if not 0 < percent <= MAX_PERCENT:
            raise RefusedError(400, f"percent must be more than 0, at most {MAX_PERCENT:g}")
        return self._set(replace(self._current, rate_percent=percent), f"rate {percent:g} %")

    def _users(self, parameters: Parameters) -> Reply:
        if self._kind() not in (*_CLOSED, "scenarios"):
            raise RefusedError(409, "the load has an arrival rate: POST /rate percent=N")
        users = _number(parameters, "count", "20")
        merged = self._run.merged
        most = merged.metadata.configuration["users"] if merged and merged.metadata else 0
        if users != int(users) or not 0 <= users <= most:
            raise RefusedError(
                400, f"count must be a whole number from 0 to {most}, the load's users"
            )
        return self._set(replace(self._current, users=int(users)), count(users, "user"))

    def _pause(self, *, paused: bool) -> Reply:
        self._kind()
        return self._set(replace(self._current, paused=paused), "paused" if paused else "resumed")

    def _stop(self, _: Parameters) -> Reply:
        at_s = self._elapsed_s()
        ending = Ending("user", "by the control endpoint", at_s)
        if not self._loads().end_load(self._run.test, ending):
            raise RefusedError(409, "no load is running")
        self._say(f"the load is stopped after {plain(at_s, 3)} s")
        return self._status()

    def _set(self, pace: Pace, change: str) -> Reply:
        at = f"{change} after {plain(self._elapsed_s(), 3)} s"
        if not self._loads().set_pace(self._run.test, pace, at):
            raise RefusedError(409, "no load is running")
        self._pace = pace
        self._say(f"the load was changed: {at}")
        return self._status()

    def _kind(self) -> str:
        """Return the kind of the schedule, which can be changed."""
        merged = self._run.merged
        if merged and merged.metadata and merged.metadata.configuration.get("scenarios"):
            return "scenarios"
        schedule = (
            merged.metadata.configuration.get("schedule") if merged and merged.metadata else None
        )
        if schedule is None:
            raise RefusedError(409, "no load is running")
        kind = str(schedule["kind"])
        if kind == "waves":
            raise RefusedError(409, "waves can only be stopped: POST /stop")
        return kind

    def _elapsed_s(self) -> float:
        return self._run.elapsed_s


_CLOSED: Final = ("constantusers", "rampingusers")


def _number(parameters: Parameters, name: str, example: str) -> float:
    """Return a parameter that is a number."""
    try:
        value = float(parameters.get(name, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RefusedError(400, f"send a number: -d {name}={example}")
    return value


@contextmanager
def control_endpoint(
    run: LiveRun,
    loads: Callable[[], Loads],
    port: int | None,
    say: Callable[[str], None],
    announce: Callable[[str], None],
    *,
    option: str,
) -> Iterator[None]:
    """Serve the endpoint while the context lasts.

    Args:
        run: The run.
        loads: Returns the loads of this process.
        port: The port; 0 takes any free port; None serves nothing.
        say: Called with a line for the user after each change.
        announce: Called with the line that has URL and token, which is not to be redacted: the
            token is of no use to other machines, or after the run.
        option: The option with the port, for the error that it is in use.

    Raises:
        TargetError: The port is in use.
    """
    if port is None:
        yield
        return
    token = secrets.token_urlsafe(24)
    routes = Control(run, loads, say).routes()
    with LoopbackServer(routes, port, option=option, token=token) as server:
        announce(f'control: curl -H "Authorization: Bearer {token}" {server.url}/status')
        yield
