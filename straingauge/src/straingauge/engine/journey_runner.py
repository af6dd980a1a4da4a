"""The journeys of one virtual user, step by step; requests are sent by `VirtualUser`."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final

from straingauge.engine.call_run import CallRun
from straingauge.engine.connection import AnyConnection
from straingauge.engine.endpoint_sinks import EndpointSinks
from straingauge.engine.load import EndpointSink
from straingauge.engine.run_context import RunContext
from straingauge.feeders import FeederEnd
from straingauge.http import Request, RequestFailed
from straingauge.http.websocket import SocketStep
from straingauge.journey import Call, Execution, Journey, JourneyError, Pause, Step, User
from straingauge.journey.execution import journey_name
from straingauge.journey.transaction import Transaction, TransactionEnd

if TYPE_CHECKING:
    from straingauge.engine.socket_steps import SocketSteps

# Delay after a journey that sent nothing, which would otherwise be repeated in a busy loop.
_EMPTY_JOURNEY_S: Final = 0.01


class JourneyRunner:
    """Runs one journey after the other, one step at a time.

    Args:
        user: the user that journeys are given.
        context: state shared with all others.
        on_finish: called with this object when its journey has ended.

    Attributes:
        user: the same.
        deadline_ns: when the request or call in flight times out; 0 when there is none.
        journeys_begun: number of journeys begun.
    """

    __slots__ = (
        "_call",
        "_connection",
        "_context",
        "_execution",
        "_intended_ns",
        "_journey",
        "_on_finish",
        "_pause",
        "_request",
        "_sink",
        "_sinks",
        "_sockets",
        "deadline_ns",
        "journeys_begun",
        "user",
    )

    def __init__(self, user: User, context: RunContext, on_finish: Callable[[Any], None]) -> None:
        self.user = user
        user.site = context.target.site
        user.observer = self
        self.journeys_begun = 0
        self.deadline_ns = 0
        self._context = context
        self._on_finish = on_finish
        self._connection: AnyConnection | None = None
        self._pause: asyncio.Handle | None = None
        self._execution: Execution | None = None
        self._request: Request | None = None
        self._call: CallRun | None = None
        self._sockets: SocketSteps | None = None
        self._intended_ns = 0
        # Set by `begin` and by each request.
        self._journey: Journey
        self._sinks: EndpointSinks
        self._sink: EndpointSink

    @abstractmethod
    def _send(self, request: Request) -> None:
        """Send a request; `response_received` and the like go on with the journey."""

    @abstractmethod
    def _do_socket(self, step: SocketStep) -> None:
        """Carry out a step of a WebSocket, and go on with the journey."""

    @abstractmethod
    def _close_connections(self) -> None:
        """Close the connections to all origins."""

    def begin(self, journey: Journey, intended_ns: int, sinks: EndpointSinks) -> None:
        """Begin a journey.

        Args:
            journey: the journey.
            intended_ns: when its first request should start. Response time is measured from this
                instant, not from when the request was sent, so that a late start counts as waiting
                (no coordinated omission). If the journey begins earlier, from its beginning.
            sinks: receive the outcomes.
        """
        context = self._context
        context.busy += 1
        context.journeys += 1
        self.journeys_begun += 1
        self._journey = journey
        self._sinks = sinks
        self._intended_ns = intended_ns
        self._request = self._call = None
        try:
            self._execution = Execution(journey, self.user)
            step = self._execution.begin()
        except JourneyError as error:
            self._handle_error(error)
        else:
            self._do(step)

    def _do(self, step: Step | None) -> None:
        """Carry out the journey's next step."""
        if step is None:
            self._finish()
        elif self._context.is_closing:
            self.stop()
        elif isinstance(step, Request):
            self._send(step)
        elif isinstance(step, Pause):
            self._pause = self._context.loop.call_later(max(step.seconds, 0), self._resume)
        elif isinstance(step, Call):
            self._begin_call(step)
        else:
            self._do_socket(step)

    def _resume(self) -> None:
        self._pause = None
        self._intended_ns = monotonic_ns()
        assert self._execution is not None
        self._go_on(self._execution.resume)

    def _go_on(self, advance: Callable[..., Step | None], *result: object) -> None:
        """Carry out the next step; see `Execution`."""
        try:
            step = advance(*result)
        except JourneyError as error:
            self._handle_error(error)
        else:
            self._do(step)

    def _handle_error(self, error: JourneyError) -> None:
        end = error.__cause__
        if isinstance(end, FeederEnd):
            self._context.end_reason = self._context.end_reason or str(end)
            if not end.is_error:
                self._finish()
                return
        name = error.after.name if error.after else f"journey {journey_name(self._journey)}"
        self._sinks[name].add_journey_error(str(error))
        self._finish()

    def _finish(self) -> None:
        self._execution = None
        self._intended_ns = 0
        if self._sockets is not None:
            self._sockets.close_all()
        if not self._context.keep_connections:
            self._close_connections()
        self._context.busy -= 1
        if self._request is None and self._call is None:
            self._context.loop.call_later(_EMPTY_JOURNEY_S, self._on_finish, self)
        else:
            self._on_finish(self)

    def stop(self) -> None:
        """End a journey that has no request in flight."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._execution is None:
            return
        try:
            self._execution.close()
        except JourneyError as error:
            self._handle_error(error)
        else:
            self._finish()

    def transaction_start_ns(self) -> int:
        """Return when the journey was due if it begins, else now; see `TransactionObserver`."""
        now_ns = monotonic_ns()
        return min(self._intended_ns or now_ns, now_ns)

    def transaction_ended(
        self, transaction: Transaction, end: TransactionEnd, ended_ns: int
    ) -> None:
        """Count a transaction; see `TransactionObserver`."""
        sink = self._sinks.transaction_sink(transaction.name)
        sink.add(transaction.begun_ns, ended_ns, transaction.paused_ns, end)

    @property
    def is_pausing(self) -> bool:
        """The journey is in a pause."""
        return self._pause is not None

    # Own steps.

    def _begin_call(self, call: Call) -> None:
        now_ns = monotonic_ns()
        self._sink = self._sinks[call.name]
        run = CallRun(call, self._sink, self.transaction_start_ns(), self._context, self)
        self.deadline_ns = now_ns + run.timeout_ns
        self._call = run

    def call_ended(self, value: object, failure: RequestFailed | None) -> None:
        """Go on with the result of an own step; see `CallOwner`."""
        self.deadline_ns = self._intended_ns = 0
        execution = self._execution
        assert execution is not None
        if failure is None:
            self._go_on(execution.answer, value)
        else:
            self._go_on(execution.fail, failure)
