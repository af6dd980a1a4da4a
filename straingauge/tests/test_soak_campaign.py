"""`make soak`: what counts as a leak, and which goals a part misses."""

from typing import Any

import pytest
from campaigns.soak.__main__ import as_markdown, main, missed_goals
from campaigns.soak.process_tree import leaks_of

MB = 1_000_000


def samples(**growth: float) -> list[dict[str, float]]:
    """Return 400 samples of 5 minutes, in which some values grow by this much in each."""
    return [
        {
            "t_ns": n * 0.75e9,
            "rss_bytes": 80 * MB + n * growth.get("rss_bytes", 0.0) + n % 3 * 1000,
            "open_files": 50 + n % 2 + int(n * growth.get("open_files", 0.0)),
            "threads": 9 + int(n * growth.get("threads", 0.0)),
        }
        for n in range(400)
    ]


@pytest.mark.parametrize(
    ("growth", "leaks"),
    [
        ({}, set()),
        ({"rss_bytes": 100_000.0}, {"memory"}),
        ({"open_files": 0.2}, {"files"}),
        ({"threads": 0.1}, {"threads"}),
    ],
)
def test_what_grows_all_the_time_is_a_leak(growth: dict[str, float], leaks: set[str]):
    """Each resource is judged by straingauge's rules for leaks; a steady one is none."""
    assert set(leaks_of(samples(**growth), requests=1_500_000)) == leaks


def test_growth_that_ends_is_no_leak():
    """Memory that grows only while the processes start is not reported."""
    rising = [
        {**each, "rss_bytes": 80 * MB + min(n, 30) * MB + n % 3 * 1000}
        for n, each in enumerate(samples())
    ]
    assert leaks_of(rising, requests=1_500_000) == {}


def part(**values: Any) -> dict[str, Any]:  # noqa: ANN401  partial
    """Return the results of a part that meets its goals."""
    return {
        "name": "engine",
        "title": "straingauge",
        "minutes": 5.0,
        "requests": 1_500_000,
        "errors": 0,
        "memory_mb": [80.0, 80.5],
        "open_files": [],
        "threads": [9.0, 9.0],
        "leaks": {},
        "exit_code": 0,
        "result_bytes": 100_000,
        "page_s": 0.9,
        "missed": [],
        **values,
    }


@pytest.mark.parametrize(
    ("values", "goal"),
    [
        ({"leaks": {"memory": ["memory grew by 40.0 MB"]}}, "memory grows: memory grew by 40.0 MB"),
        ({"result_bytes": 2_000_001}, "the result file has 2,000,001 bytes"),
        ({"page_s": 2.4}, "the report took 2.4 s"),
        ({"requests": 0}, "no request was measured"),
    ],
)
def test_missed_goals_are_named(values: dict[str, Any], goal: str):
    """A part that meets all goals has none to name."""
    assert missed_goals(part()) == []
    assert missed_goals(part(**values)) == [goal]


def test_table_shows_what_grows():
    """The row of a part has its values after the start and at the end, and what grows."""
    results = {
        "date": "2026-11-29",
        "commit": "abc",
        "machine": {"cores": 2, "load_before": 1.0, "load_after": 2.0, "nice": 0},
        "minutes": 5.0,
        "parts": [part(), part(leaks={"files": ["rose"]})],
    }
    rows = as_markdown(results).splitlines()[-2:]
    assert rows[0].endswith("| 80 - 80.5 | - | 9 - 9 | 0.10 MB | 0.9 s | nothing |")
    assert rows[1].endswith("| files |")


def test_parts_are_listed(capsys: pytest.CaptureFixture[str]):
    """--list names the parts and runs none."""
    assert main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "engine",
        "aged",
        "locust",
        "service",
        "recorder",
    ]
