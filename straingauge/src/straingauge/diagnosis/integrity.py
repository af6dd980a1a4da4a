"""What became of what was written, found by reading it back after the load."""

import re
from collections.abc import Mapping
from typing import Any

from straingauge.diagnosis.cause import CauseId, Rules
from straingauge.diagnosis.reported import reported_by_tests
from straingauge.diagnosis.result_view import number

REFUSALS = frozenset({"401", "403", "404"})

RULES: Rules = {
    "lost_writes": reported_by_tests("lost_writes"),
    "doubled_writes": reported_by_tests("doubled_writes"),
    "altered_writes": reported_by_tests("altered_writes"),
    "foreign_data": reported_by_tests("foreign_data"),
}


def cause_of_read_back(example: Mapping[str, Any]) -> CauseId:
    """What it means that a request after the load went wrong.

    Args:
        example: An error as results keep it: ``kind``, ``status``, ``detail``.
    """
    status = int(number(example, "status") or 0)
    detail = str(example.get("detail") or "")
    expected = re.search(r"expected (\d{3}(?: or \d{3})*)", detail)
    wanted = set(expected[1].split(" or ")) if expected else set()
    if status == 429 or wanted == {"429"}:
        return "rate_limiter_untrue"
    if status and status < 300 and wanted and wanted <= REFUSALS:
        return "foreign_data"
    if status in (404, 410):
        return "lost_writes"
    if example.get("kind") in ("failed_check", "short_body", "journey_error"):
        return "altered_writes"
    return "endpoint_errors" if status else "connection_resets"
