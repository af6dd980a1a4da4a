"""The fate of written data, found by reading it back after the load."""

import re
from collections.abc import Mapping
from typing import Any

from straingauge.diagnosis.cause import Cause
from straingauge.diagnosis.causes.errors import NOT_OPENED
from straingauge.diagnosis.result_view import number

DENIALS = frozenset({"401", "403", "404"})

lost_writes = Cause(
    id="lost_writes",
    title="acknowledged writes are lost",
    topics=("data",),
    explains=("altered_writes",),  # a row that is gone fails the comparison as well
    charts=("thresholds", "errors-seen"),
    advice=(
        "acknowledge only after the commit (and after the file is written), and let a failed commit"
        " end in an error",
    ),
)
doubled_writes = Cause(
    id="doubled_writes",
    title="acknowledged writes are stored more than once",
    topics=("data",),
    charts=("thresholds",),
    advice=(
        "make the write idempotent: a unique constraint, or an idempotency key stored with the row",
    ),
)
altered_writes = Cause(
    id="altered_writes",
    title="stored data differs from what was sent",
    topics=("data",),
    charts=("thresholds",),
    advice=(
        "compare what was sent with what is stored: encoding, truncation, two writers of one row or"
        " file name",
    ),
)
foreign_data = Cause(
    id="foreign_data",
    title="data of another user can be read",
    topics=("data",),
    charts=("thresholds", "errors-seen"),
    advice=(
        "filter every read by its owner, in one place that no endpoint can bypass; this is a"
        " breach, not a performance matter",
    ),
)


def cause_of_failed_check(example: Mapping[str, Any]) -> str:
    """Return the id of the cause that a failed verification request points to.

    Args:
        example: An error of the result file: ``kind``, ``status``, ``detail``.
    """
    status = int(number(example, "status") or 0)
    detail = str(example.get("detail") or "")
    match = re.search(r"expected (\d{3}(?: or \d{3})*)", detail)
    expected = set(match[1].split(" or ")) if match else set()
    if status == 429 or expected == {"429"}:
        return "rate_limiter_untrue"
    if status and status < 300 and expected and expected <= DENIALS:
        return "foreign_data"
    if status in (404, 410):
        return "lost_writes"
    if example.get("kind") in ("failed_check", "short_body", "journey_error"):
        return "altered_writes"
    if example.get("kind") in NOT_OPENED:
        return "unreachable"
    return "endpoint_errors" if status else "connection_resets"
