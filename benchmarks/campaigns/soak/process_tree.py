"""Memory, open files and threads of a process tree over time, and which of them leak."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from straingauge.diagnosis.causes.leaks import file_leak, memory_leak, thread_leak
from straingauge.diagnosis.result_view import ResultView
from straingauge.observe import Observations, Sample
from straingauge.result.assembly.service import service

SAMPLES = 400  # of one part
SHORTEST_S = 0.5  # between two of them
START_SHARE = 10  # the first tenth does not count: programs start, connections open
# Below it the rule itself says that it may be no leak: the growth slowed down, or was released.
SURE = 0.6
LEAKS = {"memory": memory_leak, "files": file_leak, "threads": thread_leak}


def watch(command: Sequence[str], folder: Path, duration_s: float) -> tuple[int, list[Sample]]:
    """Run a command in a folder to its end, and sample its process tree for `duration_s`.

    Returns:
        Its exit code, and the samples. Its output is in `output.txt` of the folder.
    """
    samples: list[Sample] = []
    interval_s = max(duration_s / SAMPLES, SHORTEST_S)
    with (folder / "output.txt").open("wb") as output:
        process = psutil.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            ends_s = time.monotonic() + duration_s
            while process.poll() is None:
                if time.monotonic() < ends_s:
                    samples += sample(process)
                try:
                    process.wait(interval_s)
                except psutil.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:  # this ends early, as by Ctrl-C
                process.terminate()
                process.wait()
    return int(process.returncode), samples


def sample(root: psutil.Process) -> list[Sample]:
    """Return the sums over a process tree, as one sample; none if it has ended."""
    memory_bytes = files = threads = 0
    for process in (root, *_descendants(root)):
        try:
            with process.oneshot():
                memory_bytes += process.memory_info().rss
                files += process.num_fds()
                threads += process.num_threads()
        except psutil.NoSuchProcess:  # it ended meanwhile
            continue
    if not memory_bytes:
        return []
    return [
        {
            "t_ns": float(time.monotonic_ns()),
            "rss_bytes": float(memory_bytes),
            "open_files": float(files),
            "threads": float(threads),
        }
    ]


def leaks_of(samples: Sequence[Sample], requests: int) -> dict[str, list[str]]:
    """Return the evidence of each leak by resource, after the start of the processes."""
    kept = samples[len(samples) // START_SHARE :]
    if not kept:
        return {}
    began_ns = kept[0]["t_ns"]
    rows = [{"t_s": (each["t_ns"] - began_ns) / 1e9, **each} for each in kept]
    return leaks_in(
        {
            "metrics": {"total_requests": requests, "duration_s": rows[-1]["t_s"]},
            "resources": {
                "service": service(Observations(samples=list(kept)), requests),
                "samples": rows,
            },
        }
    )


def leaks_in(result: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the evidence of each leak that straingauge's rules find in a result."""
    view = ResultView(result)
    found = {name: cause.detect(view) for name, cause in LEAKS.items()}
    return {
        name: list(each.evidence)
        for name, each in found.items()
        if each is not None and each.confidence >= SURE
    }


def _descendants(root: psutil.Process) -> list[psutil.Process]:
    try:
        return list(root.children(recursive=True))
    except psutil.NoSuchProcess:
        return []
