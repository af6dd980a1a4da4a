"""The receiver of `straingauge run --otlp-port`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from straingauge.cli.options import RunOptions
from straingauge.errors import UsageError

if TYPE_CHECKING:
    from straingauge.traces import SpanBuffer


@contextmanager
def span_receiver(
    options: RunOptions, say: Callable[[str], None]
) -> "Iterator[tuple[RunOptions, SpanBuffer | None]]":
    """Receive spans while the context lasts, if a port is given.

    Args:
        options: The options of the load.
        say: Called with a line that says how the service exports its spans.

    Yields:
        The options for the processes of the load, and the spans; None if none are received.

    Raises:
        UsageError: No request would be traced.
        TargetError: The port is in use.
    """
    if options.otlp_port is None:
        yield options, None
        return
    if not options.traceparent:
        raise UsageError(
            "--otlp-port needs the header traceparent, by which spans belong to requests",
            hint="leave out --no-traceparent",
        )
    from straingauge.extras import install_command
    from straingauge.http.traceparent import new_prefix
    from straingauge.runner import export_advice
    from straingauge.traces import Receiver, SpanBuffer, reads_protobuf

    buffer = SpanBuffer(new_prefix())
    with Receiver(buffer, options.otlp_port) as receiver:
        say(export_advice(receiver))
        if not reads_protobuf():
            say(f"only spans in JSON can be read; for protobuf: {install_command('traces')}")
        yield replace(options, trace_prefix=buffer.prefix), buffer
