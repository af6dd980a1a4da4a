"""Two builds of a service side by side on this machine: which is slower, and by how much."""

from straingauge.ab.cores import Cores, started_on
from straingauge.ab.document import comparison_of, write_document
from straingauge.ab.judging import MARGIN_PERCENT, changes, told
from straingauge.ab.player import Player
from straingauge.ab.side import Side, Standing, standing
from straingauge.ab.tally import Played, Requests
from straingauge.ab.trial import BUDGET_S, Trial, run_trial
from straingauge.ab.turns import Turns

__all__ = [
    "BUDGET_S",
    "MARGIN_PERCENT",
    "Cores",
    "Played",
    "Player",
    "Requests",
    "Side",
    "Standing",
    "Trial",
    "Turns",
    "changes",
    "comparison_of",
    "run_trial",
    "standing",
    "started_on",
    "told",
    "write_document",
]
