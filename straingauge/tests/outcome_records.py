"""Records of outcomes that a test thinks up."""

from hypothesis import strategies as st
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Recorder

ORIGIN_NS = 5_000_000_000_000
Event = tuple[str, str, int, int, int, ErrorKind | None]
NOT_A_REQUEST = {ErrorKind.JOURNEY_ERROR}

outcomes = st.lists(
    st.tuples(
        st.sampled_from(["GET /a", "POST /b"]),
        st.sampled_from(["main", "warmup"]),
        st.integers(0, 20_000_000_000_000),  # up to 5.5 h: beyond the timeline's first width
        st.integers(0, 10_000_000),
        st.integers(0, 10**11) | st.integers(0, 2 * 10**13),  # beyond an hour, too
        st.none() | st.sampled_from(sorted(set(ErrorKind) - NOT_A_REQUEST)),
    ),
    max_size=60,
)


def record_of(events: list[Event]) -> Recorder:
    """Record these outcomes."""
    recorder = Recorder()
    for endpoint, phase, after, wait, service, kind in events:
        sink = recorder.endpoint_sink(phase, endpoint, ORIGIN_NS)
        intended = ORIGIN_NS + after
        stamps = (intended, intended + wait, intended + wait + 1, intended + wait + service)
        if kind is None:
            sink.add(*stamps, 200, None)
        else:
            sink.add_failure(*stamps, RequestFailed(kind, "why"))
    return recorder
