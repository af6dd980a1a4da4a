"""One user playing journeys over its connection, driven by callbacks alone."""

import asyncio
from contextlib import suppress
from time import monotonic_ns

from straingauge.engine.connection import Connection
from straingauge.engine.connector import ConnectFailed, connect
from straingauge.engine.load import EndpointSink
from straingauge.engine.run_context import Channels, RunContext
from straingauge.http import ErrorKind, Request, RequestFailed, Response, check_response
from straingauge.journey import Execution, Journey, JourneyError, Pause, Step, User
from straingauge.journey.execution import journey_name

_IDLE_JOURNEY_S = 0.01


class VirtualUser:
    """Plays one journey after the other, one request at a time.

    Attributes:
        user: who it is.
        deadline_ns: when the request under way times out; 0 when none is.
        played: journeys begun.
    """

    __slots__ = (
        "_channel",
        "_channels",
        "_connection",
        "_intended_ns",
        "_journey",
        "_opening",
        "_pause",
        "_play",
        "_request",
        "_sent_ns",
        "_stage",
        "_timeout_ns",
        "deadline_ns",
        "played",
        "user",
    )

    def __init__(self, user: User, stage: RunContext) -> None:
        self.user = user
        self.played = 0
        self.deadline_ns = 0
        self._stage = stage
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._pause: asyncio.Handle | None = None
        self._play: Execution | None = None
        self._request: Request | None = None
        self._intended_ns = 0
        self._sent_ns = 0
        self._timeout_ns = 0
        # Set by `begin` and by each request.
        self._journey: Journey
        self._channels: Channels
        self._channel: EndpointSink

    # The journey.

    def begin(self, journey: Journey, intended_ns: int, channels: Channels) -> None:
        """Play a journey whose first request should start at `intended_ns`."""
        stage = self._stage
        stage.busy += 1
        stage.journeys += 1
        self.played += 1
        self._journey = journey
        self._channels = channels
        self._intended_ns = intended_ns
        self._request = None
        try:
            self._play = Execution(journey, self.user)
            step = self._play.begin()
        except JourneyError as error:
            self._broke(error)
        else:
            self._follow(step)

    def _follow(self, step: Step | None) -> None:
        """Do what the journey wants next."""
        if step is None:
            self._finish()
        elif self._stage.closing:
            self.stop()
        elif isinstance(step, Pause):
            self._pause = self._stage.loop.call_later(max(step.seconds, 0), self._resume)
        else:
            self._start(step)

    def _resume(self) -> None:
        self._pause = None
        self._intended_ns = monotonic_ns()
        assert self._play is not None
        try:
            step = self._play.resume()
        except JourneyError as error:
            self._broke(error)
        else:
            self._follow(step)

    def _broke(self, error: JourneyError) -> None:
        name = error.after.name if error.after else f"journey {journey_name(self._journey)}"
        self._channels[name].journey_error(str(error))
        self._finish()

    def _finish(self) -> None:
        self._play = None
        self._intended_ns = 0
        if self._connection is not None and not self._stage.keep_connections:
            self._connection.close()
            self._connection = None
        self._stage.busy -= 1
        if self._request is None:
            # Its own code is broken: it must not spin.
            self._stage.loop.call_later(_IDLE_JOURNEY_S, self._stage.finished, self)
        else:
            self._stage.finished(self)

    def stop(self) -> None:
        """End a journey that has no request under way."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        if self._play is None:
            return
        try:
            self._play.close()
        except JourneyError as error:
            self._broke(error)
        else:
            self._finish()

    @property
    def pausing(self) -> bool:
        """Whether the journey is in a pause."""
        return self._pause is not None

    # The request.

    def _start(self, request: Request) -> None:
        """Send a request, over a new connection if there is none."""
        now_ns = monotonic_ns()
        self._request = request
        self._channel = self._channels[request.name]
        # A journey's first request is due at its arrival, the others as soon as they are known.
        self._intended_ns = self._intended_ns or now_ns
        timeout_s = request.timeout_s
        timeout_ns = self._stage.timeout_ns if timeout_s is None else int(timeout_s * 1e9)
        self._timeout_ns = timeout_ns
        self.deadline_ns = now_ns + timeout_ns
        self._sent_ns = 0
        connection = self._connection
        if connection is None:
            self._connect()
        else:
            self._transmit(connection, request)

    def _transmit(self, connection: Connection, request: Request) -> None:
        self._stage.sent += 1
        self._sent_ns = connection.send(request, self._stage.host_header)

    def answered(self, response: Response, first_byte_ns: int, at_ns: int) -> None:
        """The response was complete at this instant; see `connection.Owner`."""
        play = self._play
        assert play is not None
        intended_ns, sent_ns = self._intended_ns, self._sent_ns
        failure = check_response(response)
        self.deadline_ns = self._intended_ns = 0
        try:
            if failure is None:
                self._channel.add(
                    intended_ns,
                    sent_ns,
                    first_byte_ns,
                    at_ns,
                    response.status,
                    response.raw_headers,
                )
                step = play.answer(response)
            else:
                self._channel.fail(intended_ns, sent_ns, first_byte_ns, at_ns, failure)
                step = play.fail(failure)
        except JourneyError as error:
            self._broke(error)
        else:
            self._follow(step)

    def failed(self, failure: RequestFailed, at_ns: int) -> None:
        """There is no whole response; see `connection.Owner`."""
        self._connection = None
        # What timed out while connecting was never sent: its service time is its response time.
        sent_ns = self._sent_ns or self._intended_ns
        self._channel.fail(self._intended_ns, sent_ns, 0, at_ns, failure)
        self.deadline_ns = self._intended_ns = 0
        assert self._play is not None
        try:
            step = self._play.fail(failure)
        except JourneyError as error:
            self._broke(error)
        else:
            self._follow(step)

    def stale(self) -> None:
        """Send it again on a new connection; see `connection.Owner`."""
        self._connection = None
        self._stage.reconnected += 1
        self._opening = self._stage.loop.create_task(self._open())

    def dropped(self, connection: Connection) -> None:
        """The connection cannot be used again; see `connection.Owner`."""
        if connection is self._connection:
            self._connection = None

    def time_out(self) -> None:
        """Give the request up at its deadline."""
        at_ns = self.deadline_ns
        waited_s = self._timeout_ns / 1e9
        self._hang_up()
        self.failed(
            RequestFailed(ErrorKind.TIMEOUT, f"no whole answer within {waited_s:g} s"), at_ns
        )

    def abandon(self) -> bool:
        """Give everything up uncounted; whether a request was under way."""
        under_way = self.deadline_ns != 0
        self._hang_up()
        if self._play is not None:
            with suppress(JourneyError):  # the run is over, and with it the counting
                self._play.close()
        return under_way

    def _hang_up(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # The connection.

    def _connect(self) -> None:
        self._opening = self._stage.loop.create_task(self._open())

    async def _open(self) -> None:
        """Connect and send what waits for it; the one coroutine, for it is off the hot path."""
        stage = self._stage
        try:
            async with stage.door:
                began_ns = monotonic_ns()
                connection = await connect(self, stage)
        except ConnectFailed as error:
            self._opening = None
            self.failed(error.failure, monotonic_ns())
            return
        self._opening = None
        self._connection = connection
        stage.connections += 1
        self._channel.connected(monotonic_ns() - began_ns)
        assert self._request is not None
        self._transmit(connection, self._request)
