"""Trends of stored results, and shifts of their level."""

from straingauge.history.changes import change_points
from straingauge.history.page import page
from straingauge.history.series import Point, Series, Shift, Trend, trends
from straingauge.history.terminal import lines

__all__ = ["Point", "Series", "Shift", "Trend", "change_points", "lines", "page", "trends"]
