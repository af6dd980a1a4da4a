"""The run of one own step, in the event loop or in a thread."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from time import monotonic_ns
from typing import Any, Protocol

from straingauge.engine.load import EndpointSink
from straingauge.engine.run_context import RunContext
from straingauge.http import RequestFailed
from straingauge.http.exchange import timeout_failure
from straingauge.journey import Call
from straingauge.journey.call import call_failure


class CallOwner(Protocol):
    """The user that makes a call."""

    def call_ended(self, value: object, failure: RequestFailed | None) -> None:
        """Go on with the journey."""


class CallRun:
    """One call from its start to its end, time-out or cancellation.

    Args:
        call: The call.
        sink: Counts its outcome.
        intended_ns: When it was due.
        context: State of the load.
        owner: The user.

    Attributes:
        is_running: It has not ended, and was not given up.
    """

    __slots__ = (
        *("_call", "_context", "_intended_ns", "_owner", "_sink", "_submitted_ns", "_task"),
        "is_running",
    )

    def __init__(
        self,
        call: Call,
        sink: EndpointSink,
        intended_ns: int,
        context: RunContext,
        owner: CallOwner,
    ) -> None:
        self._call = call
        self._sink = sink
        self._intended_ns = intended_ns
        self._context = context
        self._owner = owner
        self._task: asyncio.Task[None] | None = None
        self._submitted_ns = monotonic_ns()
        self.is_running = True
        context.sent += 1
        if call.in_thread:
            context.threads.submit(self._run_in_thread)
        else:
            self._task = context.loop.create_task(self._await())

    @property
    def timeout_ns(self) -> int:
        """Its timeout."""
        timeout_s = self._call.timeout_s
        return self._context.timeout_ns if timeout_s is None else int(timeout_s * 1e9)

    def time_out(self, at_ns: int) -> None:
        """Give it up at its deadline."""
        failure = timeout_failure(self.timeout_ns / 1e9)
        self.give_up()
        self._end(self._submitted_ns, at_ns, None, failure)

    def give_up(self) -> None:
        """Cancel it; its end is ignored."""
        self.is_running = False
        if self._task is not None:
            self._task.cancel()

    async def _await(self) -> None:
        began_ns = monotonic_ns()
        steps = _Steps(self._call)
        value, failure = None, None
        try:
            value = await steps
        except asyncio.CancelledError as error:
            if not self.is_running:
                raise
            failure = call_failure(error)  # its own
        except Exception as error:  # noqa: BLE001  any client's
            failure = call_failure(error)
        self._context.add_blocking(self._call.name, steps.longest_ns)
        self._end_if_running(began_ns, monotonic_ns(), value, failure)

    def _run_in_thread(self) -> None:
        call, value, failure = self._call, None, None
        if not self.is_running:
            return
        began_ns = monotonic_ns()
        try:
            assert callable(call.function)
            value = call.function(*call.args, **call.kwargs)
        except BaseException as error:  # noqa: BLE001  SystemExit as well: the thread goes on
            failure = call_failure(error)
        outcome = (began_ns, monotonic_ns(), value, failure)
        with suppress(RuntimeError):  # the loop is closed
            self._context.loop.call_soon_threadsafe(self._end_if_running, *outcome)

    def _end_if_running(
        self, began_ns: int, at_ns: int, value: object, failure: RequestFailed | None
    ) -> None:
        if self.is_running:
            self.is_running = False
            self._end(began_ns, at_ns, value, failure)

    def _end(self, began_ns: int, at_ns: int, value: object, failure: RequestFailed | None) -> None:
        intended_ns = self._intended_ns
        if self._call.in_thread:  # waiting for a thread is the generator's delay
            queued_ns = began_ns - self._submitted_ns
            self._context.thread_queue.add(queued_ns)
            intended_ns += queued_ns
        if failure is None:
            self._sink.add(intended_ns, began_ns, 0, at_ns, 0, None)
        else:
            self._sink.add_failure(intended_ns, began_ns, 0, at_ns, failure)
        self._owner.call_ended(value, failure)


class _Steps:
    """Awaits a call, and measures how long it keeps the event loop.

    Attributes:
        longest_ns: The longest time between two points at which it waits.
    """

    __slots__ = ("_call", "longest_ns")

    def __init__(self, call: Call) -> None:
        self._call = call
        self.longest_ns = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner: Generator[Any, Any, Any] | None = None
        proceed: Callable[..., Any]
        given: tuple[Any, ...] = ()
        while True:
            began_ns = monotonic_ns()
            try:
                if inner is None:
                    inner = _awaitable(self._call).__await__()
                    proceed, given = inner.__next__, ()
                waits_for = proceed(*given)
            except StopIteration as stop:
                return stop.value
            finally:
                self.longest_ns = max(self.longest_ns, monotonic_ns() - began_ns)
            assert inner is not None
            try:
                yield waits_for
            except GeneratorExit:
                inner.close()
                raise
            except BaseException as error:  # noqa: BLE001  as `yield from` does
                proceed, given = inner.throw, (error,)
            else:
                proceed, given = inner.__next__, ()


def _awaitable(call: Call) -> Awaitable[Any]:
    if not callable(call.function):
        return call.function
    awaitable = call.function(*call.args, **call.kwargs)
    if inspect.isawaitable(awaitable):
        return awaitable
    raise TypeError(f"{call.name} is no coroutine: decorate the function with measure(name)")
