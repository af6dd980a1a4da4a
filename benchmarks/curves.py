"""The growth of the cost of straingauge: `python benchmarks/curves.py`.

Five curves of CPU time and memory: over users, endpoints, worker processes, the length of a run and
the size of its result. CPU time depends little on what else the machine does. Each point is the
median of the rounds that fit into the time, at least one.

exit codes: 0 all curves are straight or flat; 1 one bends, or could not be measured.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Sequence

import curve_measurements as by
import output
from case import Bench
from curve import Curve
from curve_picture import picture
from machine import allow_files, machine_cores
from measurement import MeasurementError
from options import names_parser, parse_minutes
from provenance import provenance
from scene import prepared

CURVES = (
    Curve("users", "users, without pauses", "users", (10, 100, 1_000, 5_000, 10_000)),
    Curve("endpoints", "endpoints, 50 users", "endpoints", (1, 10, 100, 1_000, 5_000)),
    Curve("workers", "worker processes on one core, 50 users each", "processes", (1, 2, 4, 8)),
    Curve("length", "length of a run, recorder only", "minutes", (1, 5, 15, 60)),
    Curve(
        "result",
        "result with many endpoints, composed, written and shown as a page",
        "endpoints",
        (1, 10, 100, 1_000, 5_000),
        is_total=True,
    ),
)
SECONDS = 2
"""Length of each measurement."""
MEASURES = {
    "users": by.measure_users,
    "endpoints": by.measure_endpoints,
    "workers": by.measure_workers,
    "length": by.measure_length,
    "result": by.measure_result,
}


def main() -> int:
    """Measure, draw and write; return 1 if a curve bends."""
    options = _arguments()
    cores = machine_cores()
    allow_files()
    context = provenance()
    deadline_s = time.monotonic() + 60 * options.minutes
    curves = [each for each in CURVES if each.key in options.only]
    with prepared(cores, SECONDS) as bench:
        failed = _measure(curves, bench, deadline_s)
    for curve in curves:
        print(f"{curve.title}: {curve.verdict}")
    file = output.results_folder(keep=options.keep) / "curves.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    known |= {curve.key: context | curve.to_json() for curve in curves}
    file.write_text(json.dumps(known, indent=1) + "\n")
    drawing = output.CURVES if options.keep else file.with_suffix(".svg")
    drawing.write_text(picture(known))
    print(f"written to {file} and {drawing}")
    return int(failed or any(curve.bends for curve in curves))


def _measure(curves: Sequence[Curve], bench: Bench, deadline_s: float) -> bool:
    """Measure all sizes of all curves in turn, round by round; return true if one failed."""
    failed: set[tuple[str, int]] = set()
    longest_s = 0.0
    for number in itertools.count(1):
        began_s = time.monotonic()
        for curve in curves:
            for size in curve.sizes:
                if (curve.key, size) in failed:
                    continue
                head = f"round {number}: {curve.key} {size}"
                try:
                    metrics = MEASURES[curve.key](size, bench)
                except MeasurementError as error:
                    failed.add((curve.key, size))
                    print(f"{head}: failed: {error}")
                    continue
                curve.points.setdefault(size, []).append(metrics)
                print(f"{head}: {metrics['cpu']:,.1f} {curve.unit}, {metrics['memory_mb']:.0f} MB")
        longest_s = max(longest_s, time.monotonic() - began_s)
        if time.monotonic() + longest_s > deadline_s:
            break
    return bool(failed)


def _arguments() -> argparse.Namespace:
    lines = "\n".join(f"  {each.key:11}{each.title}" for each in CURVES)
    parser = argparse.ArgumentParser(
        description=f"{__doc__}\ncurves:\n{lines}\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only",
        metavar="CURVES",
        type=names_parser([each.key for each in CURVES], "curves"),
        default=[each.key for each in CURVES],
        help="a list of curves, such as users,length (default: all)",
    )
    parser.add_argument(
        "--minutes", type=parse_minutes, default=10.0, help="time for all rounds (default: 10)"
    )
    output.add_keep_option(parser)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
