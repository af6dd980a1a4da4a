"""One measurement of one generator: the requests that the target counted in a window of its run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from cpu_time import ThreadTimes
from generators import Generator, GeneratorReport, RunArguments
from nginx import Nginx, Status

Metrics = dict[str, float]

WARM_REQUESTS, WARM_S = 100, 0.5
START_S, END_S = 30, 40  # time limits for a generator to start and to end
# A run is longer than its window, because a generator needs time to start all its users.
MARGIN_S = 2
# Only one side counts the requests in flight at the end.
MAX_DIFFERENCE, MAX_IN_FLIGHT = 0.01, 100


class MeasurementError(Exception):
    """A generator could not be measured."""


class TooShortError(MeasurementError):
    """A generator ended before its measurement did, as on a busy machine; a longer run may do."""


@dataclass(frozen=True)
class Window:
    """The part of a run that is measured.

    Attributes:
        window_s: Length of the measurement.
        run_s: Length of the run.
        is_warm: Tells from the target's counts, now and before the start, that the generator sends.
        settle_s: Time between that moment and the measurement.
    """

    window_s: float
    run_s: int
    is_warm: Callable[[Status, Status], bool] = lambda now, before: (
        now.requests - before.requests >= WARM_REQUESTS
    )
    settle_s: float = WARM_S


def measure(
    generator: Generator, window: Window, target: Nginx, arguments: RunArguments, core: int
) -> Metrics:
    """Run a generator once, pinned to a core.

    Returns:
        `rate_rps`; `cpu_us`, CPU time of its process tree per request; `cores`, CPU cores used by
        it; `target_cores`, by the target; `others_cores`, by other processes; `connections`, the
        smallest number of open connections; and the generator's own metrics.

    Raises:
        MeasurementError: It had errors, or its count and the target's differ, or it ended too early
            or not at all.
    """
    output_file, errors_file = arguments.folder / "output.txt", arguments.folder / "errors.txt"
    before = target.status()
    with output_file.open("wb") as output, errors_file.open("wb") as errors:
        process = psutil.Popen(
            ["taskset", "-c", str(core), *generator.command(arguments)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=arguments.folder,
            env=os.environ | generator.environment(arguments),
            start_new_session=True,
        )
    try:
        metrics = _measure_window(process, window, target, before)
        process.wait(window.run_s + END_S)
    except psutil.TimeoutExpired as error:
        raise MeasurementError("it did not end after its run time") from error
    except psutil.NoSuchProcess as error:
        raise TooShortError("it ended during the measurement") from error
    except MeasurementError as error:
        raise type(error)(f"{error}: {_tail(output_file, errors_file)}") from error
    finally:
        _kill(process)
    counted = target.status().requests - before.requests
    return metrics | _checked_metrics(generator, arguments, output_file, errors_file, counted)


def run_script(script: str, core: int, *arguments: str, timeout_s: float) -> dict[str, Any]:
    """Run a Python script pinned to a core; return the JSON object that it prints.

    Raises:
        MeasurementError: It failed, or took too long.
    """
    command = ["taskset", "-c", str(core), sys.executable, script, *arguments]
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise MeasurementError(f"it did not end within {timeout_s:g} s") from error
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise MeasurementError(f"exit code {done.returncode}: {why}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure_window(
    process: psutil.Popen, window: Window, target: Nginx, before: Status
) -> Metrics:
    deadline_s = time.monotonic() + START_S
    while not window.is_warm(target.status(), before):
        if process.poll() is not None:
            raise TooShortError("it ended before it sent enough requests")
        if time.monotonic() > deadline_s:
            raise MeasurementError(f"it did not send enough requests within {START_S} s")
        time.sleep(0.02)
    time.sleep(window.settle_s)
    start, cpu, all_s = target.status(), ThreadTimes(process), _all_cpu_s()
    time.sleep(window.window_s)
    end = target.status()
    used_s, all_s = ThreadTimes(process).since_s(cpu), _all_cpu_s() - all_s
    # Of a process that ends while they are read, the times are those of a part of its threads.
    if process.poll() is not None or used_s <= 0:
        raise TooShortError("it ended during the measurement")
    took_s, requests = end.at_s - start.at_s, end.requests - start.requests
    if not requests:
        raise MeasurementError("it sent nothing during the measurement")
    target_s = end.cpu_s - start.cpu_s
    return {
        "rate_rps": requests / took_s,
        "cpu_us": used_s * 1e6 / requests,
        "cores": used_s / took_s,
        "target_cores": target_s / took_s,
        "others_cores": max(all_s - used_s - target_s, 0) / took_s,
        "connections": min(start.active, end.active),
    }


def _checked_metrics(
    generator: Generator,
    arguments: RunArguments,
    output_file: Path,
    errors_file: Path,
    counted: int,
) -> Metrics:
    """Return the generator's own metrics, if its report agrees with the target's count."""
    try:
        report: GeneratorReport = generator.read(arguments, output_file.read_text())
    except (ValueError, LookupError, OSError) as error:
        why = _tail(output_file, errors_file)
        raise MeasurementError(f"its report cannot be read ({error!r}): {why}") from error
    if report.error:
        raise MeasurementError(report.error)
    if abs(counted - report.requests) > MAX_IN_FLIGHT + MAX_DIFFERENCE * counted:
        raise MeasurementError(
            f"it reports {report.requests} requests, the target counted {counted}"
        )
    return dict(report.metrics)


def _all_cpu_s() -> float:
    """Return the CPU time of the whole machine, in seconds."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.steal - times.guest - times.guest_nice


def _kill(process: psutil.Popen) -> None:
    """Kill a process and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(*files: Path) -> str:
    """Return the last lines of the output."""
    lines = [line for file in files for line in file.read_text(errors="replace").splitlines()]
    return " / ".join([line.strip() for line in lines if line.strip()][-3:]) or "no output"
