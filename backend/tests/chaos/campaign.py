"""Trials: a disturbance in the middle of writes, the time until ready, and the verification."""

import asyncio
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import asyncpg
from tests.chaos.client import CHUNK, Client
from tests.chaos.disturbances import DEADLY, READY_S, Disturbance
from tests.chaos.system import Part, System, wait_for
from tests.chaos.verification import Findings, jobs_left, verify
from tests.chaos.write_log import WriteLog

from straingauge import TargetError

CLIENTS = 6
WARM_REQUESTS = 5
"""Requests of each client that are served before a disturbance and after it."""
SPREAD_S = 0.5
"""The disturbance comes at a random moment of this time."""
JOBS_S = 180.0
"""Time in which all jobs must end: a failed attempt is repeated after 5 s, and then after 30 s. The
rest is for a busy machine."""


@dataclass
class Trial:
    """The outcome of one disturbance.

    Attributes:
        name: Name of the disturbance.
        acknowledged: Writes with a response.
        unacknowledged: Writes without one.
        refused: Requests that were not served.
        ready_s: Time until the service was ready again; None if it was not.
        findings: What is wrong.
        unexpected: Responses that no disturbance explains, and what did not happen in time.
        jobs_s: Time until all jobs had ended, after the last write.
    """

    name: str
    acknowledged: int = 0
    unacknowledged: int = 0
    refused: int = 0
    ready_s: float | None = None
    findings: Findings = field(default_factory=Findings)
    unexpected: list[str] = field(default_factory=list)
    jobs_s: float = 0.0


class Campaign:
    """A running system with clients that write, on which trials are run."""

    def __init__(self, system: System, log: WriteLog, clients: Sequence[Client]) -> None:
        self.system = system
        self._log = log
        self._clients = clients

    def run(self, trial: Trial, disturbance: Disturbance, chance: random.Random) -> None:
        """Run one trial and enter its outcome.

        Raises:
            TargetError: The system cannot be used any more.
        """
        before = (self._log.acknowledged, self._log.unacknowledged)
        for client in self._clients:
            client.resume()
        self._await_served()
        time.sleep(chance.uniform(0, SPREAD_S))
        refused = self._log.refused
        struck_s, struck_at = time.monotonic(), time.time()
        if disturbance.name == DEADLY:
            self._upload_deadly(chance)
        started = disturbance.strike(self.system, chance)
        self.system.await_ready(started)
        wait_for(lambda: asyncio.run(self._has_finished_job(struck_at)), "a job to finish")
        trial.ready_s = time.monotonic() - struck_s - disturbance.frozen_s
        self._await_served()
        for client in self._clients:
            client.pause()
        trial.refused = self._log.refused - refused
        trial.acknowledged = self._log.acknowledged - before[0]
        trial.unacknowledged = self._log.unacknowledged - before[1]
        self._await_jobs(trial)
        trial.findings = asyncio.run(
            verify(self._log, self.system.database_url, self.system.storage)
        )
        trial.unexpected += self._log.unexpected
        self._log.unexpected.clear()

    def _upload_deadly(self, chance: random.Random) -> None:
        """Upload a recording whose transcription kills the job worker each time."""
        recording = CHUNK + chance.randbytes(2_000)
        self.system.provider.deadly.add(hashlib.sha256(recording).hexdigest())
        client = self._clients[0]
        client.pause()
        client.upload(recording, dies=True)
        client.resume()

    def _await_served(self) -> None:
        """Wait until each client has had some requests served."""
        goals = {client: client.served + WARM_REQUESTS for client in self._clients}
        wait_for(
            lambda: all(client.served >= goal for client, goal in goals.items()),
            "requests to be served",
        )

    def _await_jobs(self, trial: Trial) -> None:
        began_s = time.monotonic()
        try:
            wait_for(
                lambda: asyncio.run(jobs_left(self.system.database_url)) == 0,
                "all jobs to end",
                JOBS_S,
            )
        except TargetError as error:
            trial.unexpected.append(str(error))  # the findings say which jobs
        trial.jobs_s = time.monotonic() - began_s

    async def _has_finished_job(self, since: float) -> bool:
        try:
            connection = await asyncpg.connect(self.system.database_url, timeout=1)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        try:
            return bool(
                await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM pgqueuer_log WHERE status = 'successful'"
                    " AND created > to_timestamp($1))",
                    since,
                )
            )
        finally:
            await connection.close()


@contextmanager
def running(seed: int, part: Part | None = None) -> Iterator[Campaign]:
    """Start the system and its clients, and check that its PostgreSQL is durable."""
    log = WriteLog()
    with System(part) as system:
        asyncio.run(require_durable(system.database_url))
        clients = [Client(system.port, log, seed * 1000 + number) for number in range(CLIENTS)]
        try:
            for client in clients:
                client.start()
            yield Campaign(system, log, clients)
        finally:
            for client in clients:
                client.stop()


async def require_durable(database_url: str) -> None:
    """Check that a commit survives a crash of the server.

    Raises:
        TargetError: A setting of PostgreSQL allows it to be lost.
    """
    connection = await asyncpg.connect(database_url)
    try:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            value = await connection.fetchval(f"SHOW {name}")
            if value != "on":
                raise TargetError(f"PostgreSQL runs with {name}={value}", "set it to on")
    finally:
        await connection.close()


def missed_goals(disturbance: Disturbance, trial: Trial) -> list[str]:
    """Return the goals that a trial has missed."""
    missed = [name for name in trial.findings.problems if trial.findings.count(name)]
    if trial.ready_s is None or trial.ready_s > READY_S:
        missed.append("ready")
    if disturbance.refuses_none and trial.refused:
        missed.append("refused")
    if trial.unexpected:
        missed.append("unexpected responses")
    return missed
