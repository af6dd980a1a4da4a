"""Plans of slow statements as a table."""

from typing import Any

from straingauge.number_text import number
from straingauge.report.locations import one_line
from straingauge.report.text import Result


def plans(result: Result) -> dict[str, Any] | None:
    """Return the plans of a run with the indexes that they lack; None without any."""
    found = result.get("plans")
    if not found or not (found["statements"] or found["notes"]):
        return None
    return {
        "notes": found["notes"],
        "statements": [
            {
                "statement": one_line(each["statement"]),
                "nodes": [node["text"] for node in each["nodes"]],
                "create": each["index"] and each["index"]["create"],
                "before": number(each["index"] and each["index"]["before_ms"]),
                "after": number(each["index"] and each["index"]["after_ms"]),
                "plan": "\n".join(each["plan"]),
            }
            for each in found["statements"]
        ],
    }
