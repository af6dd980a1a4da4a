"""Growth that may be a leak or not: a note, since a short run cannot tell."""

from typing import Any

from diagnosis_results import healthy, samples
from straingauge.diagnosis import undecided, warnings


def grown(count: int) -> dict[str, Any]:
    """Return a short run of ten users after which some more threads, files and MB remain."""
    rows = [{"t_s": n / 2, "threads": 5 + n, "open_files": 40 + n} for n in range(8)]
    memory = {"initial_mb": 90.0, "still_growing": False, "later_trend_mb_per_200_requests": None}
    return healthy(
        configuration__users=10,
        metrics__duration_s=4.0,
        resources__samples=rows,
        resources__service__memory=memory,
        resources__cooldown__threads=5 + count,
        resources__cooldown__open_files=40 + count,
        resources__cooldown__memory_mb=90.0 + count,
    )


def test_growth_that_a_short_run_cannot_judge_is_a_note():
    """Threads, files and memory that stay after a short run are no cause, but are mentioned."""
    notes = [each.as_dict() for each in undecided(grown(29))]
    assert [each["severity"] for each in notes] == ["note"] * 3
    assert notes[0]["message"].startswith(
        "cannot tell a leak from an executor that fills: 5 threads"
    )
    assert "40 open files and sockets before the load and 69 after" in notes[1]["message"]
    assert "90 MB of memory before the load and 119 after the cooldown" in notes[2]["message"]
    assert all("some minutes" in each["advice"] for each in notes)
    assert warnings(grown(29)) == []
    assert undecided(grown(9)) == []  # what opening a pool and loading modules take
    assert undecided(healthy()) == []


def test_growth_that_is_named_as_a_leak_or_has_stopped_needs_no_note():
    """Nothing is undecided where the rules for leaks decide."""
    leak = grown(60)
    leak["resources"]["samples"] = [{"t_s": n / 2, "threads": 5 + 7 * n} for n in range(8)]
    leak["resources"]["service"]["runtime"] = {"language": "python", "server": None}
    assert [each.cause for each in warnings(leak)] == ["thread_leak"]
    assert not any("thread" in each.message for each in undecided(leak))
    filled = healthy(
        resources__samples=samples(threads=[min(5 + n, 35) for n in range(60)]),
        resources__cooldown__threads=35,
        resources__cooldown__memory_mb=140.0,
    )
    assert undecided(filled) == []
