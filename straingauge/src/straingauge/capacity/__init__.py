"""How much a service carries: the greatest load that keeps the demands, and what gives first."""

from straingauge.capacity.document import document, write_document
from straingauge.capacity.hunt import Hunt
from straingauge.capacity.level import Level, knee
from straingauge.capacity.page import page
from straingauge.capacity.prober import ABORT_PERCENT, Prober
from straingauge.capacity.search import Search
from straingauge.capacity.show import chart, level_line, words
from straingauge.capacity.usl import Law, fit

__all__ = [
    "ABORT_PERCENT",
    "Hunt",
    "Law",
    "Level",
    "Prober",
    "Search",
    "chart",
    "document",
    "fit",
    "knee",
    "level_line",
    "page",
    "words",
    "write_document",
]
