"""What was measured: bounded memory, merged without loss, the same bytes however it was split."""

from straingauge.recording.codec import RecordFormatError
from straingauge.recording.record import Record
from straingauge.recording.recorder import EndpointRecorder, Recorder
from straingauge.recording.series import Example, Series
from straingauge.recording.timeline import Timeline

__all__ = [
    "EndpointRecorder",
    "Example",
    "Record",
    "RecordFormatError",
    "Recorder",
    "Series",
    "Timeline",
]
