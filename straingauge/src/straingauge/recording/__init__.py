"""Record measurements in bounded memory; records merge without loss, in any order."""

from straingauge.recording.codec import RecordFormatError
from straingauge.recording.endpoint_names import MAX_ENDPOINTS, OTHER, EndpointNames
from straingauge.recording.record import Record
from straingauge.recording.recorder import EndpointRecorder, Recorder
from straingauge.recording.series import Example, Series
from straingauge.recording.timeline import Timeline
from straingauge.recording.transactions import TransactionRecorder, TransactionSeries

__all__ = [
    "MAX_ENDPOINTS",
    "OTHER",
    "EndpointNames",
    "EndpointRecorder",
    "Example",
    "Record",
    "RecordFormatError",
    "Recorder",
    "Series",
    "Timeline",
    "TransactionRecorder",
    "TransactionSeries",
]
