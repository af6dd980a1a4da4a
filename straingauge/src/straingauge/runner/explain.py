"""The explain pass: a few requests to a second, instrumented instance after the load.

Instrumentation takes more time than many a request, so the numbers come from the load and the
explanations from this pass.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Final

from straingauge.errors import StraingaugeError
from straingauge.extras import install_command
from straingauge.http.traceparent import SampledTraceIds
from straingauge.profile import last_line, started_code
from straingauge.recording import Recorder
from straingauge.recording.sampled_requests import SampledRequest
from straingauge.result.format.result import FollowUpSections, Result
from straingauge.result.format.traces import Traces
from straingauge.runner.load_spec import LoadSpec
from straingauge.runner.login import LoginCache
from straingauge.runner.second_instance import SecondInstanceLoad
from straingauge.schedule import constant
from straingauge.target import ServiceStack
from straingauge.target.instrumentation import instrument
from straingauge.target.started_service import StartedService
from straingauge.traces import Receiver, SpanBuffer, analyze, reads_protobuf

DURATION_S: Final = 15.0
RATE_PER_S: Final = 4.0  # journeys: the requests of one do not disturb those of another
MAX_EXPORT_S: Final = 3.0  # exporters send twice a second
POLL_S: Final = 0.05
GRADES: Final = ("warning", "critical")


class ExplainPass:
    """A `FollowUp` that traces requests to a second instance of the service.

    Args:
        spec: The load.
        started: The service, if it was started here; only then can there be a second instance.
        say: Called with a line before it begins.
        logins: The users that are logged in.
        duration_s: How long requests are sent.
    """

    def __init__(
        self,
        spec: LoadSpec,
        started: StartedService | None,
        say: Callable[[str], None] = lambda _line: None,
        *,
        logins: LoginCache | None = None,
        duration_s: float = DURATION_S,
    ) -> None:
        self._spec = spec
        self._started = started
        self._say = say
        self._logins = logins or LoginCache()
        self._duration_s = duration_s
        self._trace_ids = SampledTraceIds(every_ns=0)
        self._buffer = SpanBuffer(self._trace_ids.prefix)
        self._recorder = Recorder(self._trace_ids)
        self._locate = partial(last_line, own=started_code(started))

    def __call__(self, result: Result) -> FollowUpSections:
        """Return the section `traces`; nothing if there is nothing to explain."""
        wanted = self._spec.explain
        if wanted is None and "traces" in result:
            return {}
        if wanted is False or (wanted is None and result["verdict"]["grade"] not in GRADES):
            return {}
        if self._started is None:
            if wanted is None:
                return {}
            return {
                "traces": self._section("the explain pass needs a service that is started here")
            }
        if not reads_protobuf():
            return {
                "traces": self._section(
                    f"the explain pass cannot read spans: {install_command('traces')}"
                )
            }
        notes: list[str] = []
        try:
            self._trace(self._started, notes)
        except StraingaugeError as error:
            notes.append(f"the explain pass ended early: {_first_line(error)}")
        except KeyboardInterrupt:
            notes.append("the explain pass was interrupted")
        return {"traces": self._section(*notes)}

    def _trace(self, started: StartedService, notes: list[str]) -> None:
        """Send requests to a second instance, and end it, so that it exports its last spans."""
        with ExitStack() as stack:
            receiver = stack.enter_context(Receiver(self._buffer))
            instrumentation = instrument(started.config, receiver.endpoint)
            if instrumentation.problem is not None:
                notes.append(f"no explain pass: {instrumentation.problem}")
                return
            self._say(
                f"explain pass: traced requests to a second instance, {self._duration_s:,.0f} s"
            )
            env = {**started.config.env, **instrumentation.env}
            config = replace(started.config, env=env)
            other = ServiceStack(config, database_url=started.database_url)
            service = stack.enter_context(other)
            self._send(service.url)
            if service.has_ended:
                notes.append("the second instance of the service ended during the explain pass")
            else:
                self._await_spans()

    def _send(self, url: str) -> None:
        load = SecondInstanceLoad(
            self._spec, url, self._recorder, self._logins, trace_ids=self._trace_ids
        )
        load.send(constant(rate_per_s=RATE_PER_S, duration_s=self._duration_s))

    def _await_spans(self) -> None:
        """Wait for the last spans: a service that is stopped by a signal may not export them."""
        sampled = (each.trace_id for one in self._sampled().values() for each in one)
        missing = list(sampled)
        give_up_s = time.monotonic() + MAX_EXPORT_S
        while missing and time.monotonic() < give_up_s:
            time.sleep(POLL_S)
            missing = [trace_id for trace_id in missing if not self._buffer.has_trace(trace_id)]

    def _section(self, *notes: str) -> Traces:
        return analyze(self._buffer, self._sampled(), "explain", notes, locate=self._locate)

    def _sampled(self) -> dict[str, list[SampledRequest]]:
        series = self._recorder.snapshot().endpoints("main")
        return {endpoint: each.sampled for endpoint, each in series.items()}


def _first_line(error: StraingaugeError) -> str:
    return str(error).partition("\n")[0]
