"""One measurement of one generator, by what the target counted in a window of its run."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from generators import Generator, Order, Reading
from nginx import Nginx, Status

Figures = dict[str, float]

WARM_REQUESTS, WARM_S = 500, 0.5
START_S, END_S = 30, 40  # patience with a generator that begins, and with one that ends
# A run is longer than its window by what a generator may need for all its users to begin.
MARGIN_S = 2
# Requests under way at the end are counted by one side only.
MOST_DIFFERENCE, MOST_UNDER_WAY = 0.01, 100


class Failed(Exception):
    """A generator that has no figure, and why."""


@dataclass(frozen=True)
class Work:
    """What is measured of a run.

    Attributes:
        window_s: For how long requests are counted.
        run_s: How long the generator sends.
        warm: Whether the target's counts, since the generator's start, say that it is at work.
        settle_s: How long to wait after that.
    """

    window_s: float
    run_s: int
    warm: Callable[[Status, Status], bool] = lambda now, before: (
        now.requests - before.requests >= WARM_REQUESTS
    )
    settle_s: float = WARM_S


def take(generator: Generator, work: Work, target: Nginx, order: Order, core: int) -> Figures:
    """Run a generator once, pinned to this core.

    Returns:
        `rate_rps`; `cpu_us`, of its whole process tree for each request; `cores`, how much of its
        core it used; `target_cores`; `others_cores`, used by neither; `connections`, the least of
        those open; and the generator's own figures.

    Raises:
        Failed: It got errors, or its count and the target's differ, or it ended early or never.
    """
    said, complained = order.folder / "output.txt", order.folder / "errors.txt"
    before = target.status()
    with said.open("wb") as output, complained.open("wb") as errors:
        process = psutil.Popen(
            ["taskset", "-c", str(core), *generator.command(order)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=order.folder,
            env=os.environ | generator.environment(order),
            start_new_session=True,
        )
    try:
        figures = _window(process, work, target, before)
        process.wait(work.run_s + END_S)
    except psutil.TimeoutExpired as error:
        raise Failed("it did not end when its time was over") from error
    except psutil.NoSuchProcess as error:
        raise Failed("it ended while it was measured") from error
    except Failed as error:
        raise Failed(f"{error}: {_tail(said, complained)}") from error
    finally:
        _kill(process)
    counted = target.status().requests - before.requests
    return figures | _checked(generator, order, said, complained, counted)


def _window(process: psutil.Popen, work: Work, target: Nginx, before: Status) -> Figures:
    deadline_s = time.monotonic() + START_S
    while not work.warm(target.status(), before):
        if process.poll() is not None:
            raise Failed("it ended before it was at work")
        if time.monotonic() > deadline_s:
            raise Failed(f"it was not at work within {START_S} s")
        time.sleep(0.02)
    time.sleep(work.settle_s)
    began, cpu_s, all_s = target.status(), _cpu_s(process), _all_cpu_s()
    time.sleep(work.window_s)
    ended = target.status()
    if process.poll() is not None:
        raise Failed("it ended before the measurement was over")
    used_s, all_s = _cpu_s(process) - cpu_s, _all_cpu_s() - all_s
    took_s, requests = ended.at_s - began.at_s, ended.requests - began.requests
    if not requests:
        raise Failed("it sent nothing while it was measured")
    target_s = ended.cpu_s - began.cpu_s
    return {
        "rate_rps": requests / took_s,
        "cpu_us": used_s * 1e6 / requests,
        "cores": used_s / took_s,
        "target_cores": target_s / took_s,
        "others_cores": max(all_s - used_s - target_s, 0) / took_s,
        "connections": min(began.active, ended.active),
    }


def _checked(
    generator: Generator, order: Order, said: Path, complained: Path, counted: int
) -> Figures:
    """The generator's own figures, once its report agrees with the target's count."""
    try:
        reading: Reading = generator.read(order, said.read_text())
    except (ValueError, LookupError, OSError) as error:
        why = _tail(said, complained)
        raise Failed(f"its report cannot be read ({error!r}): {why}") from error
    if reading.error:
        raise Failed(reading.error)
    if abs(counted - reading.requests) > MOST_UNDER_WAY + MOST_DIFFERENCE * counted:
        raise Failed(f"it reports {reading.requests} requests, the target counted {counted}")
    return dict(reading.figures)


def _cpu_s(process: psutil.Popen) -> float:
    """CPU time used by a process and all its children, in seconds."""
    tree = (process, *process.children(recursive=True))
    return sum(sum(each.cpu_times()[:2]) for each in tree)


def _all_cpu_s() -> float:
    """CPU time used by the whole machine, in seconds."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.steal - times.guest - times.guest_nice


def _kill(process: psutil.Popen) -> None:
    """End whatever is left of it and of those it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(*files: Path) -> str:
    """The last that was said."""
    lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    return " / ".join([line.strip() for line in lines if line.strip()][-3:]) or "without a word"
