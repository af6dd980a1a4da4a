"""Comparison of two builds of a service, side by side on this machine."""

from straingauge.ab.affinity import Affinity, started_on
from straingauge.ab.analysis import MARGIN_PERCENT, changes, is_conclusive
from straingauge.ab.document import AB_VERSION, comparison_in, comparison_of, write_document
from straingauge.ab.request_log import Requests, SlotResult
from straingauge.ab.slot_plan import SlotPlan
from straingauge.ab.trial import Trial, run_trial
from straingauge.ab.unfinished_trial import UnfinishedTrial
from straingauge.ab.variant import RunningVariant, Variant, require_known, running_variant
from straingauge.ab.variant_worker import VariantWorker

__all__ = [
    "AB_VERSION",
    "MARGIN_PERCENT",
    "Affinity",
    "Requests",
    "RunningVariant",
    "SlotPlan",
    "SlotResult",
    "Trial",
    "UnfinishedTrial",
    "Variant",
    "VariantWorker",
    "changes",
    "comparison_in",
    "comparison_of",
    "is_conclusive",
    "require_known",
    "run_trial",
    "running_variant",
    "started_on",
    "write_document",
]
