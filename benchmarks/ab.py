"""The A/B's own truth: equal builds must not be called worse, ten percent on one must be found.

    python benchmarks/ab.py --runs 20                       a small service of realistic times
    python benchmarks/ab.py --runs 20 --service own         our own service with its database

Each run is one `straingauge ab`, as a user would start it, of two equal services (A/A) and of one
in which one endpoint takes a tenth longer (planted), in turn. Ends with 1 where A/A says worse in
more than 1 of 20, or the plant is found in fewer than 18 of 20, or a run takes 3 minutes or more.
The outcomes are written to `build/benchmarks/ab_SERVICE.json` after each run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from shlex import quote

from output import add_keep_option, results_folder

HERE = Path(__file__).parent
BACKEND = HERE.parent / "backend"
STRAINGAUGE = Path(sys.executable).with_name("straingauge")
LONGEST_S = 180.0
FALSE_ALARMS = 1 / 20
FOUND = 18 / 20


@dataclass(frozen=True)
class Bench:
    """A service to try it on."""

    arguments: tuple[str, ...]
    equal: str
    planted: str
    endpoint: str
    folder: Path


SMALL = f"{quote(sys.executable)} {quote(str(HERE / 'ab_service.py'))} {{port}}"
OWN = "{python} -m uvicorn %s --host 127.0.0.1 --port {port} --no-access-log"
BENCHES = {
    "small": Bench(
        ("--get", "/list", "--get", "/item", "--get", "/search"),
        SMALL,
        f"{SMALL} /list=1.1",
        "GET /list",
        HERE,
    ),
    "own": Bench(
        (
            *("tests/performance/journeys.py", "--tags", "read", "--config", "straingauge.toml"),
            *("--env", "RATE_LIMIT_ENABLED=false", "--env", f"PYTHONPATH={BACKEND}"),
        ),
        OWN % "app.main:create_app --factory",
        OWN % "tests.performance.proving.slower:tenth --factory",
        "GET /api/sessions/{id}",
        BACKEND,
    ),
}


@dataclass(frozen=True)
class Outcome:
    """What came of one run.

    Attributes:
        planted: Whether one side was slower.
        took_s: How long it took, with all it started.
        worse: What was called worse.
        medians: Of each endpoint: of base and of head in ms, and the interval in percent.
        change_percent, low_percent, high_percent: The same of the endpoint in question.
    """

    planted: bool
    took_s: float
    worse: list[str]
    medians: dict[str, list[float | None]]
    change_percent: float | None
    low_percent: float | None
    high_percent: float | None


def tried(bench: Bench, *, planted: bool, more: list[str]) -> Outcome:
    """One run."""
    head = bench.planted if planted else bench.equal
    with tempfile.TemporaryDirectory() as results:
        began_s = time.monotonic()
        done = subprocess.run(
            [STRAINGAUGE, "ab", *bench.arguments, "--base", bench.equal, "--head", head, "--json",
             "--results", results, *more],
            capture_output=True, text=True, check=False, cwd=bench.folder, env=os.environ,
        )  # fmt: skip
        took_s = time.monotonic() - began_s
    if done.returncode not in (0, 1):
        raise SystemExit(f"straingauge ab ended with {done.returncode}:\n{done.stderr}")
    changes = json.loads(done.stdout)["changes"]
    named = [each for each in changes if each["endpoint"] == bench.endpoint]
    median = next(each for each in named if each["metric"] == "p50 ms")
    return Outcome(
        planted,
        round(took_s, 1),
        [f"{c['endpoint']} {c['metric']}".strip() for c in changes if c["verdict"] == "worse"],
        {
            each["endpoint"]: [each["old"], each["new"], each["low"], each["high"]]
            for each in changes
            if each["metric"] == "p50 ms"
        },
        median["change"],
        median["low"],
        median["high"],
    )


def main() -> int:
    """Try, show and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each kind")
    parser.add_argument("--service", choices=sorted(BENCHES), default="small")
    parser.add_argument("--only", choices=["equal", "planted"])
    add_keep_option(parser)
    options, more = parser.parse_known_args()
    bench = BENCHES[options.service]
    kinds = {None: (False, True), "equal": (False,), "planted": (True,)}[options.only]
    kept = results_folder(keep=options.keep) / f"ab_{options.service}.json"
    outcomes: list[Outcome] = []
    print("what      seconds  p50 of the endpoint       said worse", flush=True)
    for _ in range(options.runs):
        for planted in kinds:
            outcome = tried(bench, planted=planted, more=more)
            outcomes.append(outcome)
            interval = f"{outcome.low_percent or 0:+.1f} to {outcome.high_percent or 0:+.1f}"
            print(
                f"{'planted' if planted else 'equal':<9} {outcome.took_s:>7.0f}  "
                f"{outcome.change_percent or 0:+5.1f} % ({interval})  "
                f"{', '.join(outcome.worse) or '-'}",
                flush=True,
            )
            kept.write_text(json.dumps([asdict(each) for each in outcomes], indent=1) + "\n")
    return judged(outcomes, bench.endpoint)


def judged(outcomes: list[Outcome], endpoint: str) -> int:
    """Whether it keeps what it promises; says so."""
    equal = [each for each in outcomes if not each.planted]
    planted = [each for each in outcomes if each.planted]
    alarms = sum(bool(each.worse) for each in equal)
    found = sum(any(name.startswith(endpoint) for name in each.worse) for each in planted)
    longest_s = max(each.took_s for each in outcomes)
    print(f"equal builds called worse: {alarms} of {len(equal)}")
    print(f"planted 10 % found:        {found} of {len(planted)}")
    print(f"longest run:               {longest_s:.0f} s")
    kept = (
        alarms <= FALSE_ALARMS * len(equal) + 1e-9
        and found >= FOUND * len(planted) - 1e-9
        and longest_s < LONGEST_S
    )
    print("as promised" if kept else "NOT as promised")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
