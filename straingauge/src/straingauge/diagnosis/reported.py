"""What a test found that knew what it looked for: its finding names the cause itself."""

from straingauge.diagnosis.cause import Cause, CauseId, Rule, make_cause
from straingauge.diagnosis.result_view import ResultView

CONFIDENCE = {"critical": 0.95, "warning": 0.85}


def reported_by_tests(cause: CauseId) -> Rule:
    """The rule that repeats what findings say of a cause."""

    def rule(facts: ResultView) -> Cause | None:
        entries = [entry for entry in facts.complaints if entry.get("cause") == cause]
        if not entries:
            return None
        confidence = max(CONFIDENCE[entry["grade"]] for entry in entries)
        messages = dict.fromkeys(str(entry.get("message")) for entry in entries)
        return make_cause(cause, confidence, tuple(messages))

    rule.__doc__ = f"Speaks when a test's finding names {cause} as its cause."
    return rule
