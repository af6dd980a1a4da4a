"""Who serves the arrivals of a run, as the master sees it: its workers, or itself when alone.

The master gives each process its share of the schedule, and how far that is; each counts from when
it heard, so clocks need not agree. When workers come or go the shares are given out anew: what was
due within the message's way may then be served twice or not at all. A process tells how many of its
users are ready, and when its share is over.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from locust import events
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from straingauge.locust.arrivals.dispatcher import OPEN, SHARE, STATE, Link


class ArrivalCoordinator:
    """The processes that have users."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._states: dict[str, dict[str, Any]] = {}
        self._shared: list[str] = []
        self._run: int | None = None
        self._runs = 0

    def start_run(self, *, arrivals: bool) -> None:
        """A run begins, in which users wait for arrivals or do not."""
        self._runs += 1
        self._run = self._runs if arrivals else None
        self._states.clear()
        self._shared = []
        for member in self._members:
            self._greet(member)

    def heard(self, member: str, state: dict[str, Any]) -> None:
        """One has told how its users are; one that came late may not know of this run yet."""
        if state["run"] == self._run:
            self._states[member] = state
        else:
            self._greet(member)

    def assign_shards(self, links: Sequence[Link], elapsed_s: float) -> None:
        """Give everybody a share of the schedule, unless all have theirs."""
        members = self._members
        if members == self._shared:
            return
        for late in set(members) - set(self._shared):
            self._greet(late)
        self._shared = members
        schedule = {"links": list(links), "n": len(members), "elapsed_s": elapsed_s}
        for i, member in enumerate(members):
            self._states.get(member, {})["over"] = False
            self._send(SHARE, {**schedule, "i": i}, member)

    def stop(self) -> None:
        """No further arrivals."""
        for member in self._members:
            self._send(SHARE, None, member)

    @property
    def ready(self) -> int:
        """How many users have come to wait for arrivals."""
        return sum(self._states.get(member, {}).get("ready", 0) for member in self._members)

    @property
    def over(self) -> bool:
        """Whether all arrivals have been served."""
        return all(self._states.get(member, {}).get("over", False) for member in self._members)

    @property
    def _members(self) -> list[str]:
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            return ["local"]
        clients = runner.clients
        return sorted(node.id for node in clients.ready + clients.spawning + clients.running)

    def _greet(self, member: str) -> None:
        self._send(OPEN, {"run": self._run}, member)

    def _send(self, message: str, data: dict[str, Any] | None, member: str) -> None:
        runner = self._environment.runner
        assert runner is not None
        runner.send_message(message, data, member)


_crews: WeakKeyDictionary[Environment, ArrivalCoordinator] = WeakKeyDictionary()


def coordinator_of(environment: Environment) -> ArrivalCoordinator:
    """The crew of this Locust process, which is no worker."""
    return _crews[environment]


@events.init.add_listener
def _set_up(environment: Environment, **_: object) -> None:
    runner = environment.runner
    if runner is None or isinstance(runner, WorkerRunner):
        return
    crew = _crews[environment] = ArrivalCoordinator(environment)

    def on_state(msg: Message, **_: object) -> None:
        crew.heard(msg.node_id, msg.data)

    runner.register_message(STATE, on_state)
