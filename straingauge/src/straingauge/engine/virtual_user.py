"""A virtual user: runs journeys over its connection, by callbacks alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns
from typing import Final

from straingauge.engine.connection import AnyConnection
from straingauge.engine.connector import connect
from straingauge.engine.journey_runner import JourneyRunner
from straingauge.engine.load import EndpointSink
from straingauge.engine.run_context import RunContext
from straingauge.engine.socket_steps import SocketSteps
from straingauge.http import Request, RequestFailed, Response, StreamResponse, check_response
from straingauge.http.address import connect_timeout_failure
from straingauge.http.cookies import sets_cookies
from straingauge.http.exchange import timeout_failure
from straingauge.http.websocket import SocketStep
from straingauge.journey import Execution, JourneyError, Step, User
from straingauge.journey.redirect import follow_up

_NONE_PARKED: Final[dict[str | None, AnyConnection]] = {}


class VirtualUser(JourneyRunner):
    """Runs journeys, and sends their requests one at a time; see `JourneyRunner`."""

    __slots__ = (
        *("_opening", "_origin", "_parked", "_route", "_sent_ns", "_timeout_ns", "_trace"),
    )

    def __init__(
        self, user: User, context: RunContext, on_finish: Callable[[VirtualUser], None]
    ) -> None:
        super().__init__(user, context, on_finish)
        self._opening: asyncio.Task[None] | None = None
        self._route = context.target
        self._origin: str | None = None  # of the route, if it is not the target's
        self._parked: dict[str | None, AnyConnection] = _NONE_PARKED
        self._sent_ns = 0
        self._timeout_ns = 0
        self._trace = 0  # number of the request's trace; 0 without one

    # The request.

    def _send(self, request: Request) -> None:
        """Send a request, over a new connection if there is none."""
        now_ns = monotonic_ns()
        self._request = request
        self._sink = self._sinks[request.name]
        # The first request of a journey is due at its arrival, or leaves a little earlier; others
        # are due as soon as they are known.
        if not self._intended_ns or self._intended_ns > now_ns:
            self._intended_ns = now_ns
        timeout_s = request.timeout_s
        timeout_ns = self._context.timeout_ns if timeout_s is None else int(timeout_s * 1e9)
        if request.stream is not None and request.stream.max_s is not None:
            timeout_ns = int(request.stream.max_s * 1e9)
        self._timeout_ns = timeout_ns
        self.deadline_ns = now_ns + timeout_ns
        self._sent_ns = 0
        if request.origin is not self._origin:
            self._switch(request.origin)
        connection = self._connection
        if connection is None:
            self._connect()
        else:
            self._transmit(connection, request)

    def _transmit(self, connection: AnyConnection, request: Request) -> None:
        context = self._context
        context.sent += 1
        trace_ids, host = context.trace_ids, self._route.host_lines
        if self.user.has_cookies:
            host += self.user.cookie_line(request, self._route.site)
        if trace_ids is None:
            self._sent_ns = connection.send(request, host)
            return
        header = trace_ids.next_header()
        self._trace = trace_ids.number
        self._sent_ns = connection.send(request, host, header)

    def response_received(self, response: Response, first_byte_ns: int, at_ns: int) -> None:
        """Check and count a response; see `ConnectionOwner`."""
        execution = self._execution
        assert execution is not None
        intended_ns, sent_ns, trace = self._intended_ns, self._sent_ns, self._trace
        failure, headers = check_response(response), response.raw_headers
        self.deadline_ns = self._intended_ns = 0
        # Each cookie has a "=", and the heads of many services have none.
        if headers.find(b"=") >= 0 and sets_cookies(headers):
            self.user.keep_cookies(response, self._route.site)
        redirected: Request | None = None
        if failure is not None:
            site, find = self._route.site, self._context.routes.find
            redirected, failure = follow_up(self.user, response, failure, site, find)
        try:
            if failure is None:
                self._sink.add(
                    intended_ns, sent_ns, first_byte_ns, at_ns, response.status, headers, trace
                )
                step = redirected or execution.answer(response)
            else:
                self._sink.add_failure(intended_ns, sent_ns, first_byte_ns, at_ns, failure, trace)
                step = execution.fail(failure)
        except JourneyError as error:
            self._handle_error(error)
        else:
            self._do(step)

    def stream_received(self, response: StreamResponse, first_byte_ns: int, at_ns: int) -> None:
        """Count a stream, whose response time is that of its first event."""
        stream = response.stream
        self._sink.add_stream(self._intended_ns, stream)
        self.response_received(response, first_byte_ns, stream.first_ns or at_ns)

    def request_failed(self, failure: RequestFailed, at_ns: int) -> None:
        """Count a failure; see `ConnectionOwner`."""
        if self._connection is not None and not self._connection.is_open:
            self._connection = None
        # What timed out while connecting was never sent: its service time is its response time.
        sent_ns = self._sent_ns or self._intended_ns
        trace = self._trace if self._sent_ns else 0
        if failure.stream is not None:
            self._sink.add_stream(self._intended_ns, failure.stream)
        self._sink.add_failure(self._intended_ns, sent_ns, 0, at_ns, failure, trace)
        self.deadline_ns = self._intended_ns = 0
        assert self._execution is not None
        self._go_on(self._execution.fail, failure)

    def connection_stale(self) -> None:
        """Send the request again on a new connection; see `ConnectionOwner`."""
        self._connection = None
        self._context.reconnected += 1
        self._open()

    def connection_closed(self, connection: AnyConnection) -> None:
        """Forget a closed connection; see `ConnectionOwner`."""
        if connection is self._connection:
            self._connection = None
        elif self._parked:
            self._parked = {at: kept for at, kept in self._parked.items() if kept is not connection}

    def idle_connection_closed(self, connection: AnyConnection) -> None:
        """Forget and count a connection that the server closed; see `ConnectionOwner`."""
        self._context.closed_idle += 1
        self.connection_closed(connection)

    def time_out(self) -> None:
        """Give up the request at its deadline."""
        at_ns, connection = self.deadline_ns, self._connection
        if self._call is not None and self._call.is_running:
            self._call.time_out(at_ns)
            return
        if self._sockets is not None and self._sockets.step is not None:
            self._sockets.time_out(at_ns)
            return
        if connection is not None and connection.end_stream(at_ns):
            return
        failure = self._timeout_failure(self._timeout_ns / 1e9)
        if connection is not None and connection.stream is not None:
            failure = connection.stream.break_off(failure, at_ns)
        self.give_up(failure, at_ns)

    def _timeout_failure(self, timeout_s: float) -> RequestFailed:
        """Return the failure of a request at its time limit: it may still wait for a connection."""
        if self._opening is not None:
            return connect_timeout_failure(timeout_s)
        return timeout_failure(timeout_s)

    def end_waiting(self) -> None:
        """End what the end of the load ends: a stream without limits, a wait for any message."""
        request, connection = self._request, self._connection
        if self._sockets is not None and self._sockets.end_load():
            self.stop()
            return
        if connection is None or request is None or request.stream is None:
            return
        if request.stream.is_endless:
            connection.end_stream(monotonic_ns(), at_load_end=True)

    @property
    def connection(self) -> AnyConnection | None:
        """The connection, if there is one."""
        return self._connection

    def give_up(self, failure: RequestFailed, at_ns: int) -> None:
        """Give up the request in flight and count it as failed."""
        if self._connection is None or not self._connection.cancel():
            self._disconnect()
        self.request_failed(failure, at_ns)

    def abandon(self) -> bool:
        """Give everything up uncounted; return whether a request was in flight."""
        under_way = self.deadline_ns != 0
        if self._call is not None:
            self._call.give_up()
        self._disconnect()
        if self._sockets is not None:
            self._sockets.close_all()
        self._close_connections()
        if self._execution is not None:
            with suppress(JourneyError):  # the run is over, and with it the counting
                self._execution.close()
        return under_way

    def _disconnect(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # The connection.

    def _switch(self, origin: str | None) -> None:
        """Go on with the connection to another origin; None is the target.

        Raises:
            UsageError: it is neither this machine nor allowed.
            TargetError: its name does not resolve.
        """
        self._route = self._context.routes.find(origin)
        kept = dict(self._parked)
        if self._connection is not None:
            kept[self._origin] = self._connection
        self._connection = kept.pop(origin, None)
        self._parked, self._origin = kept, origin

    def _close_connections(self) -> None:
        """Close the connections to all origins."""
        for connection in self._parked.values():
            connection.close()
        self._parked = _NONE_PARKED
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> None:
        self._open()

    def _open(self) -> None:
        self._opening = self._context.loop.create_task(self._open_and_send())

    async def _open_and_send(self) -> None:
        """Connect, then send the request that waits; a coroutine, since it is off the hot path."""
        context = self._context
        async with context.connect_limit:
            began_ns = monotonic_ns()
            connection = await connect(self, context, self._route)
        self._opening = None
        if isinstance(connection, RequestFailed):
            self.request_failed(connection, monotonic_ns())
            return
        self._connection = connection
        context.connections += 1
        if connection.is_http2:
            context.http2_connections += 1
        elif self._route.may_be_http2:
            context.http1_instead += 1
        self._sink.add_connection(monotonic_ns() - began_ns)
        assert self._request is not None
        self._transmit(connection, self._request)

    # WebSockets.

    def _do_socket(self, step: SocketStep) -> None:
        if self._sockets is None:
            self._sockets = SocketSteps(self)
        self._sockets.do(step)

    def do(self, step: Step | None) -> None:
        """Go on with a step of another kind."""
        self._do(step)

    def handle_error(self, error: JourneyError) -> None:
        """Count an error in the journey's code, and end the journey."""
        self._handle_error(error)

    @property
    def context(self) -> RunContext:
        """State shared with all others."""
        return self._context

    @property
    def execution(self) -> Execution:
        """The journey that runs."""
        assert self._execution is not None
        return self._execution

    @property
    def intended_ns(self) -> int:
        """When the next step was due, if it should have started earlier; else 0."""
        return self._intended_ns

    @intended_ns.setter
    def intended_ns(self, intended_ns: int) -> None:
        self._intended_ns = intended_ns

    def sink_of(self, endpoint: str) -> EndpointSink:
        """Return the sink of an endpoint."""
        return self._sinks[endpoint]

    def note_request(self, request: Request) -> None:
        """Note that the journey has sent something: the request of a handshake."""
        self._request = request
