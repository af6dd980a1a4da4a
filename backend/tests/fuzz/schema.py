"""Runs of schemathesis against the service, as each role.

schemathesis generates requests from `/openapi.json`, valid and invalid ones, and checks that the
responses are as the document says: https://schemathesis.readthedocs.io
"""

import time
import tomllib
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

import asyncpg
import httpx2
import schemathesis
from schemathesis.engine import from_schema
from schemathesis.engine.events import EngineFinished, NonFatalError, ScenarioFinished
from schemathesis.schemas import BaseSchema
from service import BACKEND, PASSWORD, account

ROLES = ("therapist", "patient", "admin", "anonymous")
DOCUMENT = "/openapi.json"
PHASES = ("examples", "coverage", "fuzzing", "stateful")

CONFIGURATION = BACKEND / "schemathesis.toml"


@dataclass
class Outcome:
    """Requests that were sent, by phase and status, and one failure of each kind and operation."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)

    def __str__(self) -> str:
        phases = ", ".join(f"{name} {self.requests[name]}" for name in PHASES)
        return f"{self.requests.total()} cases ({phases}), {len(self.failures)} failures"


def configure(
    token: str | None, *, examples: int, seed: int, phases: Collection[str] = PHASES
) -> schemathesis.Config:
    """Configure a run of phases with all checks.

    Args:
        token: Access token of the role; None to send none.
        examples: Largest number of requests per operation in the phase "fuzzing", and of scenarios
            in the phase "stateful".
        seed: Seed of the generated requests.
        phases: Names of the phases.
    """
    auth: dict[str, object] = {"auto-signup": False}
    if token is not None:
        auth["openapi"] = {"bearer": {"bearer": token}}
    return schemathesis.Config.from_dict(
        tomllib.loads(CONFIGURATION.read_text())
        | {
            "seed": seed,
            "auth": auth,
            "phases": {name: {"enabled": name in phases} for name in PHASES},
            "generation": {"max-examples": examples, "database": "none"},
            "output": {"sanitization": {"enabled": False}},
            "request-timeout": 60,  # no check of the speed: the machine may be busy
        }
    )


def fuzz(schema: BaseSchema, deadline_s: float = float("inf")) -> Outcome:
    """Run the phases on a document that was loaded with a configuration.

    Args:
        schema: The document.
        deadline_s: Time of the monotonic clock at which the run ends.
    """
    outcome = Outcome()
    events = from_schema(schema).execute()
    for event in events:
        if time.monotonic() > deadline_s:
            events.stop()
        if isinstance(event, ScenarioFinished):
            _add(outcome, event)
        elif isinstance(event, NonFatalError):
            outcome.failures[event.label, str(event.info.title)] = str(event.value)
        elif isinstance(event, EngineFinished):
            for failure in event.failures:
                outcome.failures[str(failure.operation), failure.title] = failure.message
    return outcome


def _add(outcome: Outcome, event: ScenarioFinished) -> None:
    recorder = event.recorder
    outcome.requests[event.phase.value] += len(recorder.interactions)
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            outcome.statuses[interaction.response.status_code] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if (info := check.failure_info) is not None:
                response = recorder.interactions[case_id].response
                received = "" if response is None else f"{response.status_code} {response.text}"
                text = f"{info.failure.message}\n{info.code_sample}\n{received}"
                outcome.failures.setdefault((str(info.failure.operation), info.failure.title), text)


async def log_in(client: httpx2.AsyncClient, database_url: str) -> dict[str, str | None]:
    """Create an account for each role and return their access tokens."""
    tokens: dict[str, str | None] = {"anonymous": None}
    for role in ROLES[:-1]:
        email = f"fuzz-{role}-{time.time_ns()}@example.com"
        headers = await account(client, email, "patient" if role == "admin" else role)
        if role == "admin":  # cannot sign up
            connection = await asyncpg.connect(database_url)
            await connection.execute("UPDATE users SET role = 'admin' WHERE email = $1", email)
            await connection.close()
            credentials = {"email": email, "password": PASSWORD}
            login = await client.post("/api/v1/auth/login", json=credentials)
            headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        tokens[role] = headers["Authorization"].removeprefix("Bearer ")
    return tokens
