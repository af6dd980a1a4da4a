"""Replay of access logs: their requests at their times, as a schedule and journeys.

LogSource -> read_recording -> Recording (a schedule, journeys and what was skipped)
"""

from straingauge.replay.access_log import Change, LogSource, read_recording
from straingauge.replay.log_file import log_size
from straingauge.replay.log_window import LogTime
from straingauge.replay.recording import Recording
from straingauge.replay.request import RecordedRequest

__all__ = [
    "Change",
    "LogSource",
    "LogTime",
    "RecordedRequest",
    "Recording",
    "log_size",
    "read_recording",
]
