"""A process that plays one side's load in its turns.

Each side has its own: what a scenario file remembers (tokens, ids) is of one service only.
"""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import wraps
from multiprocessing.connection import Connection
from typing import Final, Self

from straingauge.ab.request_log import RequestLog, SlotResult
from straingauge.ab.slot_plan import Gate, Name, SlotPlan
from straingauge.engine import Load, run_load
from straingauge.errors import StraingaugeError, TargetError
from straingauge.http import Response
from straingauge.journey import Journey, Mix, Pause, Step, User, mix
from straingauge.journey.execution import journey_name
from straingauge.recording import Recorder
from straingauge.runner.load_runner import LoadOrder
from straingauge.schedule import ConstantUsers, constant_users

_LOG_IN_WITHIN_S: Final = 180.0
_LEAVE_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Failed:
    """What a player says when it cannot go on."""

    message: str
    hint: str | None = None


class VariantWorker:
    """A side's load in a process of its own; use as a context manager.

    Args:
        side: Which.
        url: Of its service.
        prepare: Makes what is played, anew in that process; it must be found there by its name.
    """

    def __init__(self, side: Name, url: str, prepare: Callable[[], LoadOrder]) -> None:
        self._side = side
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(
            target=attend,
            args=(self._theirs, side, url, prepare),
            name=f"straingauge {side}",
            daemon=True,
        )

    def __enter__(self) -> Self:
        """Start it and log its users in.

        Raises:
            TargetError: They cannot log in, or the process ended.
        """
        self._process.start()
        self._theirs.close()
        try:
            self._heard()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()  # that tells it to leave
        self._process.join(_LEAVE_WITHIN_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def begin(self, turns: SlotPlan) -> None:
        """Have it play its turns."""
        self._pipe.send(turns)

    def stop(self) -> None:
        """Have it end what it plays: `played` gives what there is."""
        self._pipe.send(None)

    def ready(self, within_s: float) -> bool:
        """Whether it has played its turns; waits at most so long for that."""
        return self._pipe.poll(within_s)

    def played(self) -> SlotResult:
        """Wait until it has played its turns.

        Raises:
            TargetError: The process ended, or something in it failed.
        """
        played = self._heard()
        assert isinstance(played, SlotResult)
        return played

    def _heard(self) -> object:
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join(_LEAVE_WITHIN_S)
            raise TargetError(
                f"the process that plays {self._side} ended with code {self._process.exitcode}"
            ) from None
        if isinstance(answer, Failed):
            raise TargetError(f"{self._side}: {answer.message}", answer.hint)
        return answer


def attend(pipe: Connection, side: Name, url: str, prepare: Callable[[], LoadOrder]) -> None:
    """The process: log in, then play turns whenever some are given, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it says when it is over
    try:
        order = prepare()
        log_in(order, url)
        pipe.send("ready")
        while True:
            turns = pipe.recv()
            if turns is not None:  # else it was told to stop when it had just come to its end
                pipe.send(run_slots(order, url, side, turns, stop=pipe.poll))
    except (EOFError, BrokenPipeError):
        return  # told to leave
    except StraingaugeError as error:
        pipe.send(Failed(str(error), error.hint))
    except Exception as error:  # noqa: BLE001  whatever it was, whoever waits must hear of it
        traceback.print_exc()
        pipe.send(Failed(f"{type(error).__name__}: {error}"))


def run_slots(
    order: LoadOrder, url: str, side: Name, turns: SlotPlan, *, stop: Callable[[], bool]
) -> SlotResult:
    """Play an order's journeys in a side's turns; a user begins none when it is not its turn."""
    schedule = order.schedule
    assert isinstance(schedule, ConstantUsers)
    tally = RequestLog()
    gate = Gate(turns, side)
    report = run_load(
        Load(
            url,
            replace(schedule, duration_s=(turns.end_ns - turns.start_ns) / 1e9),
            Mix(tuple((_gated(each, gate), weight) for each, weight in order.journeys.weights)),
            order.crowd,
            timeout_s=order.timeout_s,
            connections=order.connections,
            max_connections=order.max_connections,
            allowed_hosts=order.allowed_hosts,
        ),
        tally,
        start_ns=turns.start_ns,
        stop=lambda: stop() or tally.hopeless,
    )
    requests = tally.requests(turns, side)
    return SlotResult(requests, report.cpu_share, tally.problems, gone=tally.hopeless)


def log_in(order: LoadOrder, url: str) -> None:
    """Log all users in, where the order says how.

    Raises:
        TargetError: One of them cannot.
    """
    if order.log_in is None:
        return
    done: list[User] = []
    given_up: list[StraingaugeError] = []
    recorder = Recorder()
    load = Load(
        url,
        constant_users(count=len(order.crowd), iterations=1),
        mix(_to_its_end(order.log_in, done, given_up)),
        order.crowd,
        timeout_s=_LOG_IN_WITHIN_S,
        allowed_hosts=order.allowed_hosts,
    )
    run_load(load, recorder, phase="setup", stop=lambda: bool(given_up))
    if given_up:
        raise TargetError(f"a user could not log in: {given_up[0]}", given_up[0].hint)
    if len(done) < len(order.crowd):
        examples = recorder.snapshot().total("setup").examples
        last = f"{examples[-1].kind}: {examples[-1].detail}" if examples else "it took too long"
        raise TargetError(
            f"a user could not log in: {last}",
            hint="look at the account the scenario uses, and at the service's log",
        )


def _gated(journey: Journey, gate: Gate) -> Journey:
    """The same journey, which begins when it is this side's turn."""

    @wraps(journey)
    def gated(user: User) -> Generator[Step, Response, None]:
        while (wait_s := gate.wait_s(time.monotonic_ns())) > 0:
            yield Pause(min(wait_s, 3600.0))  # after the last turn the load's own end comes
        yield from journey(user)

    gated.__name__ = journey_name(journey)
    return gated


def _to_its_end(journey: Journey, done: list[User], given_up: list[StraingaugeError]) -> Journey:
    """The same journey, noting who came to its end and who gave up."""

    @wraps(journey)
    def noted(user: User) -> Generator[Step, Response, None]:
        try:
            yield from journey(user)
        except StraingaugeError as error:
            given_up.append(error)
            raise
        done.append(user)

    return noted
