"""Search for the capacity of a service: the highest load that passes the thresholds."""

from straingauge.capacity.capacity_run import CapacityRun
from straingauge.capacity.document import CAPACITY_VERSION, document, write_document
from straingauge.capacity.level import Level, knee
from straingauge.capacity.level_runner import ABORT_PERCENT, LevelRunner
from straingauge.capacity.level_search import LevelSearch
from straingauge.capacity.page import page
from straingauge.capacity.terminal import chart, level_line, summary
from straingauge.capacity.unfinished_search import UnfinishedSearch
from straingauge.capacity.usl import UslFit, fit

__all__ = [
    "ABORT_PERCENT",
    "CAPACITY_VERSION",
    "CapacityRun",
    "Level",
    "LevelRunner",
    "LevelSearch",
    "UnfinishedSearch",
    "UslFit",
    "chart",
    "document",
    "fit",
    "knee",
    "level_line",
    "page",
    "summary",
    "write_document",
]
