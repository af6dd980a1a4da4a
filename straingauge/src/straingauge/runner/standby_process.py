"""The process that writes a result if the one that measures is killed.

Started as a script, with a `straingauge.workers.standby.Standby` at the other end of its standard
input. That has frames: a length of 8 bytes, and the pickled measurements so far (the merged reports
of a load, or another `Unfinished`). An empty frame says that the result was written. If the input
ends without one, the process that measured was killed or has crashed. Until then nothing is
imported or decoded, which costs 10 MB of memory.
"""

import os
import pickle
import signal
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from straingauge.workers.standby import Unfinished

LENGTH_BYTES = 8


def main() -> int:
    """Keep the last frame; write its result if the other process has ended without one."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the other process decides
    last = last_frame(sys.stdin.buffer)
    ended_ns = time.monotonic_ns()
    if last:
        lost = ""
        try:
            unfinished = decode(last)
            lost = f"{unfinished.lost(ended_ns)}; "
            path = unfinished.write_result(lost.removesuffix("; "))
        except Exception as error:  # noqa: BLE001  the last thing that this process can do
            sys.stderr.write(f"\nstraingauge: {lost}{type(error).__name__}: {error}\n")
            return 1
        sys.stderr.write(f"\nstraingauge: {lost}the result: {path}\n")
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


def decode(frame: bytes) -> "Unfinished":
    """Return what was measured."""
    from straingauge.runner.unfinished_load import UnfinishedLoad
    from straingauge.workers import MergedReports

    latest: MergedReports | Unfinished = pickle.loads(frame)  # noqa: S301  from our own parent
    return UnfinishedLoad(latest) if isinstance(latest, MergedReports) else latest


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)
