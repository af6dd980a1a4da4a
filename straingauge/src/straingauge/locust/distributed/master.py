"""The master's side of a run: know one's workers, give out places, gather all they measured."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.rpc import Message
from locust.runners import HEARTBEAT_INTERVAL, STATE_MISSING, MasterRunner

from straingauge.errors import UsageError
from straingauge.locust.distributed.fingerprint import Files, differing
from straingauge.locust.distributed.worker import (
    BEGIN,
    GOT,
    HELLO,
    LAST_FIGURES,
    PING,
    PONG,
    REPORT,
    STOP,
    WELCOME,
)
from straingauge.locust.distributed.worker_registry import WorkerRegistry
from straingauge.locust.outcome import Measured

logger = logging.getLogger(__name__)

LAST_FIGURES_S: Final = 10.0  # past --stop-timeout; a worker that takes longer is named
MOST_NAMED: Final = 3
SHARE_OUT_S: Final = 1.0  # what Locust needs to see where its users are


class MasterSide:
    """What a master keeps of its workers.

    Args:
        environment: Locust's, of a master.
        modules: Which version of the load test it has.

    Attributes:
        roster: Its workers.
    """

    def __init__(self, environment: Environment, modules: Files) -> None:
        assert isinstance(environment.runner, MasterRunner)
        self.roster = WorkerRegistry()
        self._environment = environment
        self._runner = environment.runner
        self._modules = modules
        self._run = 0
        self._users = 0
        self._one_done = Event()
        for kind, listener in (
            (HELLO, self._on_hello),
            (PING, self._on_ping),
            (LAST_FIGURES, self._on_last_figures),
        ):
            self._runner.register_message(kind, listener)

    @property
    def alive(self) -> set[str]:
        """The workers whose hearts beat, by Locust's own id."""
        clients = self._runner.clients
        return {name for name in clients if clients[name].state != STATE_MISSING}

    def begin(self, start_ns: int) -> None:
        """A run begins: tell those who are here of it."""
        options = self._environment.parsed_options
        expected = int(options.expect_workers) if options is not None else 1
        self._run = time.time_ns()
        self._users = self._runner.target_user_count
        self.roster.begin(self._run, self.alive, expected, start_ns)
        for worker in self.roster.members:
            self._runner.send_message(BEGIN, {"run": self._ticket(worker)}, worker)

    def gather(self) -> None:
        """Let all users stop, and wait for what they measured to the last."""
        self.roster.end(time.monotonic_ns())
        self._runner.send_message(STOP)
        limit_s = LAST_FIGURES_S + self._environment.stop_timeout
        with gevent.Timeout(limit_s, False):  # noqa: FBT003  gevent's way to go on when it is over
            while self.roster.awaited(self.alive):
                self._one_done.clear()
                self._one_done.wait(HEARTBEAT_INTERVAL)  # or somebody's heart has stopped

    def heard(self, worker: str) -> None:
        """A worker's heart has beaten."""
        self.roster.hear(worker, time.monotonic_ns())

    def reported(self, worker: str, data: Mapping[str, Any]) -> None:
        """A report has come; it has figures in it while a run is under way."""
        if REPORT in data:
            users = int(data.get("user_count", 0))
            self.roster.report(worker, data[REPORT], users, time.monotonic_ns())

    def measured(self, here: Measured) -> Measured:
        """All that the workers have measured, with what is known of the run here."""
        now_ns, roster = time.monotonic_ns(), self.roster
        return replace(
            here,
            parts=roster.parts() or here.parts,
            lost=roster.lost(self.alive, now_ns),
            notes=roster.notes(),
            workers=roster.as_dict(),
        )

    def _on_hello(self, msg: Message, **_: object) -> None:
        worker, now_ns = msg.node_id, time.monotonic_ns()
        index = self._runner.get_worker_index(worker)
        name = f"worker {index} ({msg.data['host']}, pid {msg.data['pid']})"
        why = self._refusal(msg.data["modules"])
        if why is None:
            self.roster.come(worker, name, self.alive, now_ns)
        elif self.roster.refuse(name, why):
            logger.error("%s may not take part: %s", name, why)
            if self._environment.process_exit_code is None:
                self._environment.process_exit_code = UsageError.exit_code
        running = self.roster.under_way and why is None
        answer = {
            "sent_ns": msg.data["sent_ns"],
            "now_ns": now_ns,
            "refused": why,
            "run": self._ticket(worker) if running else None,
        }
        self._runner.send_message(WELCOME, answer, worker)
        if running:
            gevent.spawn(self._share_out, worker)

    def _share_out(self, worker: str) -> None:
        """Give users to a worker that came while others were being given out.

        Locust does so for one that comes at any other time.
        """
        runner = self._runner
        while self.roster.under_way and worker in self.alive:
            gevent.sleep(SHARE_OUT_S)
            if runner.spawning_completed:
                if not runner.clients[worker].user_count:
                    runner.start(runner.target_user_count, runner.spawn_rate)
                return

    def _on_ping(self, msg: Message, **_: object) -> None:
        answer = {"sent_ns": msg.data["sent_ns"], "now_ns": time.monotonic_ns()}
        self._runner.send_message(PONG, answer, msg.node_id)

    def _on_last_figures(self, msg: Message, **_: object) -> None:
        self.roster.finish(msg.node_id, msg.data, time.monotonic_ns())
        self._runner.send_message(GOT, None, msg.node_id)
        self._one_done.set()

    def _ticket(self, worker: str) -> dict[str, int]:
        """A worker's part in the run under way.

        Of n places, place p has the users p, p + n, p + 2n ... No two have one user between them,
        as long as the crowd is shared out evenly. Whoever comes beyond the n has the numbers that
        follow those of the whole crowd.
        """
        roster = self.roster
        lap, place = divmod(roster.place(worker), roster.of)
        whole_crowd = (-(-self._users // roster.of) + 1) * roster.of
        return {
            "number": self._run,
            "start_ns": roster.began_ns,
            "first": lap * whole_crowd + place,
            "step": roster.of,
        }

    def _refusal(self, theirs: Files) -> str | None:
        other = differing(self._modules, theirs)
        if not other:
            return None
        named = ", ".join(other[:MOST_NAMED]) + (" ..." if len(other) > MOST_NAMED else "")
        return f"its load test is another than its master's (differing: {named})"
