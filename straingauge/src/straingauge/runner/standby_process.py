"""The process that writes the result of a load if the one that runs it is killed.

Started as a script, with a `straingauge.workers.standby.Standby` at the other end of its standard
input. That has frames: a length of 8 bytes, and the pickled reports of a load so far. An empty
frame says that the result was written. If the input ends without one, the process that ran the load
was killed or has crashed. Until then nothing is imported or decoded, which costs 10 MB of memory.
"""

import os
import pickle
import signal
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

from straingauge.number_text import count, plain

if TYPE_CHECKING:
    from pathlib import Path

    from straingauge.workers import MergedReports

LENGTH_BYTES = 8


def main() -> int:
    """Keep the last frame; write its result if the other process has ended without one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the other process decides
    last = last_frame(sys.stdin.buffer)
    ended_ns = time.monotonic_ns()
    if last:
        merged: MergedReports = pickle.loads(last)  # noqa: S301  from our own parent
        try:
            path = write_result(merged, ended_ns)
        except Exception as error:  # noqa: BLE001  the last thing that this process can do
            sys.stderr.write(f"\nstraingauge: {type(error).__name__}: {error}\n")
            return 1
        sys.stderr.write(f"\nstraingauge: {lost(merged, ended_ns)}; the result: {path}\n")
    return 0


def last_frame(stream: BinaryIO) -> bytes:
    """Return the last complete frame of a stream, at its end; empty if there is none."""
    last = b""
    while len(head := stream.read(LENGTH_BYTES)) == LENGTH_BYTES:
        size = int.from_bytes(head, "big")
        frame = stream.read(size)
        if len(frame) < size:  # killed in the middle of it
            break
        last = frame
    return last


def lost(merged: "MergedReports", ended_ns: int) -> str:
    """Return in words what the reports lack, because the process ended at an instant."""
    until_ns = min((report.at_ns for report in merged.reports), default=ended_ns)
    missing_s = max(min(ended_ns, merged.load_end_ns or ended_ns) - until_ns, 0) / 1e9
    lasted_s = (until_ns - (merged.start_ns or until_ns)) / 1e9
    requests = sum(report.requests for report in merged.reports)
    samples = round(requests * missing_s / lasted_s) if lasted_s > 0 else 0
    return (
        "the process that ran the load was killed or has crashed: the last"
        f" {plain(missing_s, 3)} s, with an estimated {count(samples, 'sample')}, are missing"
    )


def write_result(merged: "MergedReports", ended_ns: int) -> "Path | None":
    """Judge the load by the reports, and write its result.

    Raises:
        WriteError: The result cannot be written.
    """
    from straingauge.runner.outcome import conclude_run
    from straingauge.verdict import Thresholds

    metadata = merged.metadata
    thresholds = Thresholds.read(metadata.thresholds_file if metadata else None)
    outcome = conclude_run(merged, thresholds, ended=lost(merged, ended_ns))
    if outcome.problem is not None:
        raise outcome.problem
    return outcome.path


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)
