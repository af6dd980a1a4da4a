"""The traces of a service that exports its spans during the load."""

from functools import partial

from straingauge.profile import last_line, started_code
from straingauge.result.format.result import FollowUpSections, Result
from straingauge.target.instrumentation import exporter_env
from straingauge.traces import Receiver, SpanBuffer, analyze
from straingauge.workers import MergedReports
from straingauge.workers.merge import merge_reports


class ReceivedTraces:
    """A `FollowUp` that relates the spans received during a load to its sampled requests.

    Args:
        buffer: The export requests.
        merged: The reports of the load.
    """

    def __init__(self, buffer: SpanBuffer, merged: MergedReports) -> None:
        self._buffer = buffer
        self._merged = merged

    def __call__(self, _result: Result) -> FollowUpSections:
        """Return the section `traces`."""
        series = merge_reports(self._merged.reports).endpoints("main")
        sampled = {endpoint: each.sampled for endpoint, each in series.items()}
        locate = partial(last_line, own=started_code(None))  # it may run anywhere
        return {"traces": analyze(self._buffer, sampled, "service", locate=locate)}


def export_advice(receiver: Receiver) -> str:
    """Return a line that says how to start a service so that it exports its spans."""
    env = exporter_env(receiver.endpoint)
    variables = " ".join(f"{name}={value}" for name, value in env.items())
    return f"spans are received at {receiver.endpoint}; start the service with {variables}"
