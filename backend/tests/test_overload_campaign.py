"""`make overload`: the goals that a storm has missed, and its table."""

from collections import Counter

import pytest
from campaigns.overload.service import Stored
from campaigns.overload.trial import STORMS, Trial, left_behind, missed_goals, row

BEFORE = Stored({"sessions": 3, "refresh_tokens": 5}, ("audio/ab/1",))


def trial(live_s: list[float], *, growth_bytes: int = 0, left: str = "") -> Trial:
    """Return the outcome of a storm."""
    outcomes = Counter({"200": 2, "503": 8})
    return Trial("log-ins", outcomes, live_s, [0.002], growth_bytes, [left] if left else [])


@pytest.mark.parametrize(
    ("outcome", "missed"),
    [
        (trial([0.01, 0.9]), []),
        (trial([0.01, 1.1]), ["/live within 1 s"]),
        (trial([float("inf")], left="file a"), ["/live within 1 s", "left behind"]),
        (trial([]), ["/live within 1 s"]),
        (trial([0.1], growth_bytes=600_000_000), ["memory"]),
    ],
)
def test_missed_goals_are_named(outcome: Trial, missed: list[str]):
    """A late or failed `/live`, memory and remains are missed goals; so is no probe at all."""
    assert missed_goals(outcome) == missed


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (BEFORE, []),
        (Stored({"sessions": 3, "refresh_tokens": 7}, BEFORE.files), []),
        (
            Stored({"sessions": 3, "refresh_tokens": 8}, BEFORE.files),
            ["+3 rows of refresh_tokens"],
        ),
        (Stored({"sessions": 4, "refresh_tokens": 5}, BEFORE.files), ["+1 rows of sessions"]),
        (
            Stored(BEFORE.rows, (*BEFORE.files, "audio/incoming/2")),
            ["file audio/incoming/2"],
        ),
    ],
)
def test_remains_are_found(after: Stored, left: list[str]):
    """Files and rows are left behind, except the tokens of log-ins that succeeded."""
    assert left_behind(BEFORE, after, Counter({"200": 2, "503": 8})) == left


def test_failed_probe_is_no_time():
    """A row says that `/live` failed, in place of its longest time."""
    result = row(STORMS["log-ins"], [trial([0.1, float("inf")])])
    assert result["live_ms"] == {"p50": None, "max": None}
    assert result["missed"] == {"/live within 1 s": 1}
