"""A process that sends one variant's load in its slots.

Each variant has its own, since what a scenario file remembers (tokens, ids) belongs to one service.
"""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import wraps
from multiprocessing.connection import Connection
from typing import Final, Self

from straingauge.ab.request_log import RequestLog, SlotResult
from straingauge.ab.slot_plan import Gate, Name, SlotPlan
from straingauge.engine import run_load
from straingauge.errors import StraingaugeError, TargetError
from straingauge.http import Response
from straingauge.journey import Journey, Mix, Pause, Step, User
from straingauge.journey.execution import journey_name
from straingauge.recording import Recorder
from straingauge.runner import LoadSpec, Login
from straingauge.schedule import ConstantUsers

_LEAVE_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of a worker that cannot continue."""

    message: str
    hint: str | None = None


class VariantWorker:
    """A variant's load in a separate process; a context manager.

    Args:
        variant: "base" or "head".
        url: Base URL of its service.
        prepare: Prepares the load in that process; must be importable there.
    """

    def __init__(self, variant: Name, url: str, prepare: Callable[[], LoadSpec]) -> None:
        self._variant = variant
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(
            target=serve,
            args=(self._theirs, variant, url, prepare),
            name=f"straingauge {variant}",
            daemon=True,
        )

    def __enter__(self) -> Self:
        """Start the process and log its users in.

        Raises:
            TargetError: A log-in failed, or the process ended.
        """
        self._process.start()
        self._theirs.close()
        try:
            self._receive()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()  # the process exits on it
        self._process.join(_LEAVE_WITHIN_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def start(self, plan: SlotPlan) -> None:
        """Start the slots of a plan.

        Raises:
            TargetError: The process ended.
        """
        try:
            self._pipe.send(plan)
        except OSError:
            raise self._exited() from None

    def stop(self) -> None:
        """Stop early; `result` returns what was measured."""
        with suppress(OSError):  # the process ended: `result` raises what that means
            self._pipe.send(None)

    def ready(self, within_s: float) -> bool:
        """True if the slots are over; waits for at most `within_s`."""
        return self._pipe.poll(within_s)

    def result(self) -> SlotResult:
        """Wait for the end of the slots, and return the measurements.

        Raises:
            TargetError: The process ended, or something in it failed.
        """
        result = self._receive()
        assert isinstance(result, SlotResult)
        return result

    def _receive(self) -> object:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            raise self._exited() from None
        if isinstance(answer, Failure):
            raise TargetError(f"{self._variant}: {answer.message}", answer.hint)
        return answer

    def _exited(self) -> TargetError:
        self._process.join(_LEAVE_WITHIN_S)
        code = self._process.exitcode
        return TargetError(f"the worker of {self._variant} exited with code {code}")


def serve(pipe: Connection, variant: Name, url: str, prepare: Callable[[], LoadSpec]) -> None:
    """Log in, then run slots whenever a plan arrives, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process stops it
    try:
        spec = prepare()
        log_in(spec, url)
        pipe.send("ready")
        while True:
            plan = pipe.recv()
            if plan is not None:  # None: a stop that came after the end
                pipe.send(run_slots(spec, url, variant, plan, stop=pipe.poll))
    except (EOFError, BrokenPipeError):
        return  # the controlling process closed the pipe
    except StraingaugeError as error:
        pipe.send(Failure(str(error), error.hint))
    except Exception as error:  # noqa: BLE001  the controlling process must report any failure
        traceback.print_exc()
        pipe.send(Failure(f"{type(error).__name__}: {error}"))


def run_slots(
    spec: LoadSpec, url: str, variant: Name, plan: SlotPlan, *, stop: Callable[[], bool]
) -> SlotResult:
    """Run journeys in a variant's slots; none starts outside of them."""
    schedule = spec.schedule
    assert isinstance(schedule, ConstantUsers)
    log = RequestLog()
    gate = Gate(plan, variant)
    report = run_load(
        spec.load(
            url,
            schedule=replace(schedule, duration_s=(plan.end_ns - plan.start_ns) / 1e9),
            journeys=Mix(
                tuple((_in_own_slots(each, gate), weight) for each, weight in spec.journeys.weights)
            ),
        ),
        log,
        start_ns=plan.start_ns,
        stop=lambda: stop() or log.is_unreachable,
    )
    requests = log.requests(plan, variant)
    return SlotResult(requests, report.cpu_share, log.problems, is_unreachable=log.is_unreachable)


def log_in(spec: LoadSpec, url: str) -> None:
    """Log all users in, if the scenario has a log-in.

    Raises:
        TargetError: A log-in failed.
    """
    if spec.log_in is None:
        return
    login = Login(spec.log_in, spec.users)
    recorder = Recorder()
    load = spec.single_run(url, login.journey, login.users)
    run_load(load, recorder, phase="setup", stop=login.has_failed)
    login.require_complete(url, recorder.snapshot())


def _in_own_slots(journey: Journey, gate: Gate) -> Journey:
    """A journey that waits for its variant's next slot before it starts."""

    @wraps(journey)
    def in_own_slots(user: User) -> Generator[Step, Response, None]:
        while (wait_s := gate.wait_s(time.monotonic_ns())) > 0:
            yield Pause(min(wait_s, 3600.0))  # after the last slot the load ends
        yield from journey(user)

    in_own_slots.__name__ = journey_name(journey)
    return in_own_slots
