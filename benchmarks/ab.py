"""Error rates of `straingauge ab`: false alarms and missed slowdowns of 10 %.

    python benchmarks/ab.py --runs 20                         a small service with realistic times
    python benchmarks/ab.py --runs 20 --service therapybridge   TherapyBridge with its database

Runs of `straingauge ab` with two equal services alternate with runs in which one endpoint takes a
tenth longer. Exits with 1 if more than 1 of 20 equal builds are called worse, if fewer than 18 of
20 slowdowns are found, or if a run takes 3 minutes or more. The outcomes are written to
`build/benchmarks/ab_SERVICE.json` after each run.
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
MAX_S = 180.0
MAX_FALSE_ALARMS = 1 / 20
MIN_FOUND = 18 / 20


@dataclass(frozen=True)
class Bench:
    """A service to compare builds of."""

    arguments: tuple[str, ...]
    equal: str
    slower: str
    endpoint: str
    folder: Path


SMALL = f"{quote(sys.executable)} {quote(str(HERE / 'ab_service.py'))} {{port}}"
THERAPYBRIDGE = "{python} -m app.serve %s --host 127.0.0.1 --port {port} --no-access-log"
BENCHES = {
    "small": Bench(
        ("--get", "/list", "--get", "/item", "--get", "/search"),
        SMALL,
        f"{SMALL} /list=1.1",
        "GET /list",
        HERE,
    ),
    "therapybridge": Bench(
        (
            *("tests/performance/journeys.py", "--tags", "read", "--config", "straingauge.toml"),
            *("--env", "RATE_LIMIT_ENABLED=false", "--env", f"PYTHONPATH={BACKEND}"),
        ),
        THERAPYBRIDGE % "app.main:create_app --factory",
        THERAPYBRIDGE
        % "tests.performance.fault_injection.slow_endpoint:ten_percent_slower --factory",
        "GET /api/sessions/{id}",
        BACKEND,
    ),
}


@dataclass(frozen=True)
class Outcome:
    """The outcome of one run.

    Attributes:
        slowed: One variant was slower.
        took_s: Duration of the command.
        worse: Metrics that were called worse.
        medians: By endpoint, p50 of base and head in ms, and the interval of the change in percent.
        change_percent, low_percent, high_percent: The change of the slowed endpoint.
    """

    slowed: bool
    took_s: float
    worse: list[str]
    medians: dict[str, list[float | None]]
    change_percent: float | None
    low_percent: float | None
    high_percent: float | None


def run_ab(bench: Bench, *, slowed: bool, more: list[str]) -> Outcome:
    """Run `straingauge ab` once."""
    head = bench.slower if slowed else bench.equal
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
        slowed,
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
    """Run, print and evaluate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="runs of each kind")
    parser.add_argument("--service", choices=sorted(BENCHES), default="small")
    parser.add_argument("--only", choices=["equal", "slowed"])
    add_keep_option(parser)
    options, more = parser.parse_known_args()
    bench = BENCHES[options.service]
    kinds = {None: (False, True), "equal": (False,), "slowed": (True,)}[options.only]
    file = results_folder(keep=options.keep) / f"ab_{options.service}.json"
    outcomes: list[Outcome] = []
    print("kind      seconds  p50 of the endpoint       called worse", flush=True)
    for _ in range(options.runs):
        for slowed in kinds:
            outcome = run_ab(bench, slowed=slowed, more=more)
            outcomes.append(outcome)
            interval = f"{outcome.low_percent or 0:+.1f} to {outcome.high_percent or 0:+.1f}"
            print(
                f"{'slowed' if slowed else 'equal':<9} {outcome.took_s:>7.0f}  "
                f"{outcome.change_percent or 0:+5.1f} % ({interval})  "
                f"{', '.join(outcome.worse) or '-'}",
                flush=True,
            )
            file.write_text(json.dumps([asdict(each) for each in outcomes], indent=1) + "\n")
    return evaluate(outcomes, bench.endpoint)


def evaluate(outcomes: list[Outcome], endpoint: str) -> int:
    """Print the error rates; return 0 if they are small enough, else 1."""
    equal = [each for each in outcomes if not each.slowed]
    slowed = [each for each in outcomes if each.slowed]
    false_alarms = sum(bool(each.worse) for each in equal)
    found = sum(any(name.startswith(endpoint) for name in each.worse) for each in slowed)
    longest_s = max(each.took_s for each in outcomes)
    print(f"equal builds called worse: {false_alarms} of {len(equal)}")
    print(f"slowdowns of 10 % found:   {found} of {len(slowed)}")
    print(f"longest run:               {longest_s:.0f} s")
    passed = (
        false_alarms <= MAX_FALSE_ALARMS * len(equal) + 1e-9
        and found >= MIN_FOUND * len(slowed) - 1e-9
        and longest_s < MAX_S
    )
    print("requirements met" if passed else "requirements missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
