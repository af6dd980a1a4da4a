"""What a test found that knew what it looked for: its finding names the cause itself."""

from straingauge.diagnose.cause import Cause, CauseId, Rule, named
from straingauge.diagnose.facts import Facts

CONFIDENCE = {"critical": 0.95, "warning": 0.85}


def told_by_tests(cause: CauseId) -> Rule:
    """The rule that repeats what findings say of a cause."""

    def rule(facts: Facts) -> Cause | None:
        entries = [entry for entry in facts.complaints if entry.get("cause") == cause]
        if not entries:
            return None
        confidence = max(CONFIDENCE[entry["grade"]] for entry in entries)
        messages = dict.fromkeys(str(entry.get("message")) for entry in entries)
        return named(cause, confidence, tuple(messages))

    rule.__doc__ = f"Speaks when a test's finding names {cause} as its cause."
    return rule
