"""What was measured: bounded memory, merged without loss, the same bytes however it was split."""

from straingauge.record.codec import RecordFormatError
from straingauge.record.record import Record
from straingauge.record.recorder import Channel, Recorder
from straingauge.record.series import Example, Series
from straingauge.record.timeline import Timeline

__all__ = [
    "Channel",
    "Example",
    "Record",
    "RecordFormatError",
    "Recorder",
    "Series",
    "Timeline",
]
