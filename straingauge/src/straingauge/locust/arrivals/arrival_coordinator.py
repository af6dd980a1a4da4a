"""Distribution of a run's arrivals, by the master, over its workers or over itself if standalone.

The master gives each process its shard of the schedule and the position in it. Each process counts
from when it received that, so clocks need not agree. When workers join or leave, the shards are
assigned again; arrivals due while the messages travel may then be served twice or not at all. A
process reports how many of its users are ready, and when its shard is done.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from locust import events
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from straingauge.locust.arrivals.dispatcher import RUN, SHARD, STATE, ScheduleSpec


class ArrivalCoordinator:
    """The processes that run users, and the shards of the schedule that they have."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._states: dict[str, dict[str, Any]] = {}
        self._assigned: list[str] = []
        self._run_id: int | None = None
        self._runs = 0

    def start_run(self, *, has_arrivals: bool) -> None:
        """Announce a run, in which users wait for arrivals or keep their own wait times."""
        self._runs += 1
        self._run_id = self._runs if has_arrivals else None
        self._states.clear()
        self._assigned = []
        for process in self._processes:
            self._announce_run(process)

    def on_state(self, process: str, state: dict[str, Any]) -> None:
        """Keep the state of a process; one that joined late may not know of this run yet."""
        if state["run_id"] == self._run_id:
            self._states[process] = state
        else:
            self._announce_run(process)

    def assign_shards(self, specs: Sequence[ScheduleSpec], elapsed_s: float) -> None:
        """Assign a shard of the schedule to each process, if the processes have changed."""
        processes = self._processes
        if processes == self._assigned:
            return
        for new in set(processes) - set(self._assigned):
            self._announce_run(new)
        self._assigned = processes
        schedule = {"specs": list(specs), "shards": len(processes), "elapsed_s": elapsed_s}
        for index, process in enumerate(processes):
            self._states.get(process, {})["done"] = False
            self._send(SHARD, {**schedule, "index": index}, process)

    def stop(self) -> None:
        """Stop the arrivals."""
        for process in self._processes:
            self._send(SHARD, None, process)

    @property
    def ready_users(self) -> int:
        """Number of users that are ready for arrivals."""
        return sum(self._states.get(process, {}).get("ready", 0) for process in self._processes)

    @property
    def is_done(self) -> bool:
        """All arrivals have been served."""
        return all(self._states.get(process, {}).get("done", False) for process in self._processes)

    @property
    def _processes(self) -> list[str]:
        runner = self._environment.runner
        if not isinstance(runner, MasterRunner):
            return ["local"]
        clients = runner.clients
        return sorted(node.id for node in clients.ready + clients.spawning + clients.running)

    def _announce_run(self, process: str) -> None:
        self._send(RUN, {"run_id": self._run_id}, process)

    def _send(self, message: str, data: dict[str, Any] | None, process: str) -> None:
        runner = self._environment.runner
        assert runner is not None
        runner.send_message(message, data, process)


_coordinators: WeakKeyDictionary[Environment, ArrivalCoordinator] = WeakKeyDictionary()


def get_arrival_coordinator(environment: Environment) -> ArrivalCoordinator:
    """Return the coordinator of this Locust process, which is not a worker."""
    return _coordinators[environment]


@events.init.add_listener
def _on_init(environment: Environment, **_: object) -> None:
    runner = environment.runner
    if runner is None or isinstance(runner, WorkerRunner):
        return
    coordinator = _coordinators[environment] = ArrivalCoordinator(environment)

    def on_state(msg: Message, **_: object) -> None:
        coordinator.on_state(msg.node_id, msg.data)

    runner.register_message(STATE, on_state)
