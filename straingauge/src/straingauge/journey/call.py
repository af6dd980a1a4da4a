"""Own steps: calls of any client, measured as requests are."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from math import inf
from typing import Any, ParamSpec

from straingauge.errors import UsageError
from straingauge.http import RequestFailed

ArgsT = ParamSpec("ArgsT")


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call; made by `call` or by a function that `measure` decorates.

    Attributes:
        function: The function, or the awaitable itself.
        name: Endpoint that it counts under.
        timeout_s: Timeout; None leaves it to the load.
        in_thread: It is no coroutine, and is called in a thread.
        args, kwargs: Its arguments.
    """

    function: Callable[..., Any] | Awaitable[Any] = field(repr=False)
    name: str
    timeout_s: float | None = None
    in_thread: bool = False
    args: tuple[Any, ...] = field(default=(), repr=False)  # they may contain secrets
    kwargs: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not 0 < self.timeout_s < inf:
            raise UsageError(f"{self.name}: timeout_s must be more than 0, not {self.timeout_s}")
        if not self.name:
            raise UsageError("an own step needs a name", hint='call(client.get, key, name="get")')


def call(
    function: Callable[..., Awaitable[Any]] | Awaitable[Any],
    /,
    *args: Any,  # noqa: ANN401  the function's own
    name: str | None = None,
    timeout_s: float | None = None,
    **kwargs: Any,  # noqa: ANN401  likewise
) -> Call:
    """Make a step that awaits a call of any asynchronous client, and measures it.

        value = yield call(redis().get, "key", name="redis get", timeout_s=0.5)

    The step's value is the result. An exception counts as an error of its type and is raised as
    `RequestFailed`, with the exception as its cause.

    Args:
        function: A coroutine function, or a function that returns an awaitable.
        args: Its arguments.
        name: Endpoint that it counts under; by default the function's name.
        timeout_s: Timeout, by default the load's; the call is then cancelled.
        kwargs: Its keyword arguments; to pass one called `name` or `timeout_s`, use a `partial`.

    Raises:
        UsageError: It is neither callable nor awaitable, or the timeout is not more than 0.
    """
    if not callable(function) and (args or kwargs or not inspect.isawaitable(function)):
        raise UsageError(
            f"call: {function!r} is no function", hint='call(client.get, key, name="redis get")'
        )
    return Call(function, name or _name(function), timeout_s, args=args, kwargs=kwargs)


def measure(
    name: str, *, timeout_s: float | None = None
) -> Callable[[Callable[ArgsT, Any]], Callable[ArgsT, Call]]:
    """Decorate a function without `async` so that a call of it is a step, run in a thread.

        @measure("sql count")
        def count_books(connection):
            return connection.execute("SELECT count(*) FROM books").fetchone()[0]

        books = yield count_books(connection)

    At most `MAX_THREADS` of `engine.thread_pool` run at a time in a process. The time in which a
    call waits for a thread is excluded from its times; the result has it apart.

    Args:
        name: Endpoint that it counts under.
        timeout_s: Timeout, by default the load's. A thread cannot be cancelled: the call's result
            is ignored, but it keeps its thread.
    """

    def decorate(function: Callable[ArgsT, Any]) -> Callable[ArgsT, Call]:
        if not callable(function) or inspect.iscoroutinefunction(function):
            raise UsageError(
                f"measure({name!r}) is for functions without async", hint="yield call(function)"
            )

        @wraps(function)
        def step(*args: ArgsT.args, **kwargs: ArgsT.kwargs) -> Call:
            return Call(function, name, timeout_s, in_thread=True, args=args, kwargs=kwargs)

        return step

    return decorate


def call_failure(error: BaseException) -> RequestFailed:
    """Return the failure of a call that has raised an exception, whose type is the error kind."""
    if isinstance(error, RequestFailed):
        return error
    package, name = type(error).__module__.partition(".")[0], type(error).__qualname__
    kind = name if package in ("builtins", "asyncio", "concurrent") else f"{package}.{name}"
    failure = RequestFailed(kind, str(error) or name)
    failure.__cause__ = error
    return failure


def _name(function: object) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name).removeprefix("<lambda>").rpartition("<locals>.")[2]
