"""The master's part in a distributed run: register workers, assign accounts, collect reports."""

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.rpc import Message
from locust.runners import HEARTBEAT_INTERVAL, STATE_MISSING, MasterRunner

from straingauge.locust.distributed.messages import (
    FINAL_REPORT,
    FINAL_REPORT_RECEIVED,
    PING,
    PONG,
    REGISTER,
    REGISTERED,
    REPORT,
    RUN_STARTED,
    STOP_USERS,
    RunAssignment,
)
from straingauge.locust.distributed.row_numbers import RowGiver
from straingauge.locust.result_builder import RunSnapshot
from straingauge.workers.fingerprint import Fingerprints, find_differences
from straingauge.workers.worker_registry import WorkerRegistry

logger = logging.getLogger(__name__)

FINAL_REPORT_S: Final = 10.0  # after --stop-timeout; a worker that takes longer counts as lost
MAX_MODULES_NAMED: Final = 3
LATE_USERS_S: Final = 1.0  # Locust needs this long to see where its users are


class MasterRole:
    """A master's connections to its workers.

    Args:
        environment: Locust's environment, of a master.
        modules: Fingerprints of the master's load test.

    Attributes:
        workers: The workers of the current run.
        has_refused: A worker was refused, as its files differ.
    """

    def __init__(self, environment: Environment, modules: Fingerprints) -> None:
        assert isinstance(environment.runner, MasterRunner)
        self.workers = WorkerRegistry()
        self.has_refused = False
        self._environment = environment
        self._runner = environment.runner
        self._modules = modules
        self._run_id = 0
        self._users = 0
        self._report_received = Event()
        self._rows = RowGiver(self._runner)
        for kind, listener in (
            (REGISTER, self._on_register),
            (PING, self._on_ping),
            (FINAL_REPORT, self._on_final_report),
        ):
            self._runner.register_message(kind, listener)

    @property
    def alive(self) -> set[str]:
        """The workers that send heartbeats, by Locust's own id."""
        clients = self._runner.clients
        return {worker for worker in clients if clients[worker].state != STATE_MISSING}

    def start_run(self, start_ns: int) -> None:
        """Announce a run to the workers."""
        options = self._environment.parsed_options
        expected = int(options.expect_workers) if options is not None else 1
        self._run_id = time.time_ns()
        self._rows.begin_run()
        self._users = self._runner.target_user_count
        self.workers.start_run(self._run_id, self.alive, expected, start_ns)
        for worker in self.workers.worker_ids:
            self._runner.send_message(RUN_STARTED, {"run": self._assignment(worker)}, worker)

    def end_run(self) -> None:
        """Stop all users, and wait for the workers' final reports."""
        self.workers.end_run(time.monotonic_ns())
        self._runner.send_message(STOP_USERS)
        timeout_s = FINAL_REPORT_S + self._environment.stop_timeout
        with gevent.Timeout(timeout_s, False):  # noqa: FBT003  gevent's way to go on after it
            while self.workers.pending(self.alive):
                self._report_received.clear()
                self._report_received.wait(HEARTBEAT_INTERVAL)  # or a worker has gone missing

    def record_heartbeat(self, worker: str) -> None:
        """Record that a worker was heard from."""
        self.workers.add_heartbeat(worker, time.monotonic_ns())

    def add_report(self, worker: str, data: Mapping[str, Any]) -> None:
        """Keep the report in one of Locust's, if it has one."""
        if REPORT in data:
            users = int(data.get("user_count", 0))
            self.workers.add_report(worker, data[REPORT], users, time.monotonic_ns())

    def add_workers(self, snapshot: RunSnapshot) -> RunSnapshot:
        """Add the workers' reports, and what is known about the workers, to a snapshot."""
        now_ns, workers = time.monotonic_ns(), self.workers
        return replace(
            snapshot,
            reports=workers.reports() or snapshot.reports,
            lost=workers.lost(self.alive, now_ns),
            notes=(*snapshot.notes, *workers.notes()),
            workers=workers.as_dict(),
        )

    def _on_register(self, msg: Message, **_: object) -> None:
        worker, now_ns = msg.node_id, time.monotonic_ns()
        index = self._runner.get_worker_index(worker)
        name = f"worker {index} ({msg.data['host']}, pid {msg.data['pid']})"
        refused = self._refusal(msg.data["modules"])
        if refused is None:
            self.workers.register(worker, name, self.alive, now_ns)
        elif self.workers.refuse(name, refused):
            logger.error("%s was refused: %s", name, refused)
            self.has_refused = True
        joins_run = self.workers.is_running and refused is None
        answer = {
            "sent_ns": msg.data["sent_ns"],
            "now_ns": now_ns,
            "refused": refused,
            "run": self._assignment(worker) if joins_run else None,
        }
        self._runner.send_message(REGISTERED, answer, worker)
        if joins_run:
            gevent.spawn(self._spawn_late_users, worker)

    def _spawn_late_users(self, worker: str) -> None:
        """Give users to a worker that joined while Locust was spawning those of the others.

        Locust rebalances by itself when a worker joins at any other time.
        """
        runner, run_id = self._runner, self._run_id
        while True:
            gevent.sleep(LATE_USERS_S)
            is_running = self.workers.is_running and self._run_id == run_id
            if not is_running or worker not in self.alive:
                return  # to start Locust now would begin another run
            if runner.spawning_completed:
                if not runner.clients[worker].user_count:
                    runner.start(runner.target_user_count, runner.spawn_rate)
                return

    def _on_ping(self, msg: Message, **_: object) -> None:
        answer = {"sent_ns": msg.data["sent_ns"], "now_ns": time.monotonic_ns()}
        self._runner.send_message(PONG, answer, msg.node_id)

    def _on_final_report(self, msg: Message, **_: object) -> None:
        self.workers.add_final_report(msg.node_id, msg.data, time.monotonic_ns())
        self._runner.send_message(FINAL_REPORT_RECEIVED, None, msg.node_id)
        self._report_received.set()

    def _assignment(self, worker: str) -> dict[str, Any]:
        """Return a worker's part in the current run.

        Of n shards, shard i has the users i, i + n, i + 2n, ... No two workers share a user while
        Locust spreads the users evenly. A worker that joins when all n shards are taken gets the
        numbers after those of all planned users.
        """
        workers = self.workers
        lap, shard = divmod(workers.shard(worker), workers.shard_count)
        users_per_lap = (-(-self._users // workers.shard_count) + 1) * workers.shard_count
        assignment = RunAssignment(
            run_id=self._run_id,
            start_ns=workers.started_ns,
            first_user=lap * users_per_lap + shard,
            user_step=workers.shard_count,
        )
        return asdict(assignment)

    def _refusal(self, theirs: Fingerprints) -> str | None:
        different = find_differences(self._modules, theirs)
        if not different:
            return None
        named = ", ".join(different[:MAX_MODULES_NAMED])
        more = " ..." if len(different) > MAX_MODULES_NAMED else ""
        return f"its load test differs from the master's (in {named}{more})"
