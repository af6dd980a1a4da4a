"""One storm, while the service is asked whether it lives."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

from campaigns.overload.service import Service, Stored
from campaigns.overload.storms import HOST

PROCESSES = 4
PROBE_TIMEOUT_S = 10.0
PROBE_INTERVAL_S = 0.1
CLEAR_S = 40.0
"""Time after a storm in which all must be removed: the service waits 20 s for a stalled body."""
LIVE_S = 1.0
GROWTH_BYTES = 512_000_000
"""A connection takes about 20 KB of a process, so 10,000 are 200 MB; hashing has 19 MiB a core."""


@dataclass(frozen=True)
class Storm:
    """A number of clients that do the same at once, for some seconds."""

    name: str
    title: str
    clients: int
    seconds: float


STORMS = {
    each.name: each
    for each in (
        Storm("connections", "connections open at once", 10_000, 20.0),
        Storm("log-ins", "log-ins at once", 1_000, 0.0),
        Storm("slowloris", "heads of a byte each second", 1_000, 30.0),
        Storm("uploads", "uploads broken off in the middle", 200, 8.0),
    )
}


@dataclass
class Trial:
    """The outcome of a storm.

    Attributes:
        outcomes: Number of clients by outcome.
        live_s: Times of `/live` during the storm; infinite if it failed.
        calm_s: The same before the storm.
        growth_bytes: Largest growth of the process's memory.
        left: Rows and files that remain.
        failures: Why `/live` failed.
    """

    name: str
    outcomes: Counter[str] = field(default_factory=Counter)
    live_s: list[float] = field(default_factory=list)
    calm_s: list[float] = field(default_factory=list)
    growth_bytes: int = 0
    left: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def run(service: Service, storm: Storm) -> Trial:
    """Run a storm; return its outcome."""
    trial = Trial(storm.name)
    stored, rss_bytes = service.stored(), service.rss_bytes()
    trial.calm_s = [probe(service.port, trial.failures) for _ in range(20)]
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(service, trial, rss_bytes, over))
    watcher.start()
    try:
        for outcomes in _clients(service, storm):
            trial.outcomes.update(outcomes)
    finally:
        over.set()
        watcher.join()
    trial.left = _await_cleared(service, stored, trial)
    return trial


def _clients(service: Service, storm: Storm) -> list[dict[str, int]]:
    share = [str(storm.clients // PROCESSES), str(storm.seconds), service.token, service.patient]
    command = [sys.executable, "-m", "campaigns.overload.storms", storm.name, str(service.port)]
    folder = Path(__file__).parents[2]
    started = [
        subprocess.Popen([*command, *share], cwd=folder, stdout=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    return [json.loads(process.communicate()[0] or '{"crashed": 1}') for process in started]


def probe(port: int, failures: list[str]) -> float:
    """Return the time of a `GET /live` on a new connection, in s; infinite if it fails.

    Args:
        port: The port of the service.
        failures: Receives the reason if it fails.
    """
    began_s = time.monotonic()
    connection = HTTPConnection(HOST, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/live")
        status = connection.getresponse().status
        is_live = status == 200
        if not is_live:
            failures.append(f"/live: status {status}")
    except (OSError, HTTPException) as error:
        is_live = False
        failures.append(f"/live after {time.monotonic() - began_s:.1f} s: {error!r}")
    finally:
        connection.close()
    return time.monotonic() - began_s if is_live else float("inf")


def _watch(service: Service, trial: Trial, rss_bytes: int, over: threading.Event) -> None:
    while not over.wait(PROBE_INTERVAL_S):
        trial.live_s.append(probe(service.port, trial.failures))
        trial.growth_bytes = max(trial.growth_bytes, service.rss_bytes() - rss_bytes)


def _await_cleared(service: Service, before: Stored, trial: Trial) -> list[str]:
    deadline_s = time.monotonic() + CLEAR_S
    while (left := left_behind(before, service.stored(), trial.outcomes)) and (
        time.monotonic() < deadline_s
    ):
        time.sleep(0.2)
    return left


def left_behind(before: Stored, after: Stored, outcomes: Counter[str]) -> list[str]:
    """Return what remains of a storm: files, and rows that no successful response explains."""
    left = [f"file {name}" for name in after.files if name not in before.files]
    log_ins = outcomes["200"]
    for table, count in after.rows.items():
        more = count - before.rows[table]
        explained = {0, log_ins} if table in {"token_families", "refresh_tokens"} else {0}
        if more not in explained:
            left.append(f"{more:+d} rows of {table}")
    return left


def missed_goals(trial: Trial) -> list[str]:
    """Return the names of the goals that a storm has missed."""
    missed = []
    if not trial.live_s or max(trial.live_s) > LIVE_S:
        missed.append("/live within 1 s")
    if trial.growth_bytes > GROWTH_BYTES:
        missed.append("memory")
    if trial.left:
        missed.append("left behind")
    return missed


def row(storm: Storm, trials: Sequence[Trial]) -> dict[str, object]:
    """Return the results of the trials of a storm."""
    live = [each for trial in trials for each in trial.live_s]
    calm = [each for trial in trials for each in trial.calm_s]
    return {
        "name": storm.name,
        "title": f"{storm.clients:,} {storm.title}",
        "trials": len(trials),
        "outcomes": dict(sum((trial.outcomes for trial in trials), Counter())),
        "probes": len(live),
        "live_ms": {"p50": _ms(median(live)), "max": _ms(max(live))} if live else {},
        "calm_ms": {"p50": _ms(median(calm)), "max": _ms(max(calm))},
        "growth_mb": round(max(trial.growth_bytes for trial in trials) / 1e6),
        "failures": [each for trial in trials for each in trial.failures][:5],
        "left": [each for trial in trials for each in trial.left][:5],
        "missed": dict(Counter(goal for trial in trials for goal in missed_goals(trial))),
    }


def _ms(seconds: float) -> float | None:
    """Return milliseconds; None for a failed probe."""
    return None if seconds == float("inf") else round(1000 * seconds, 1)
