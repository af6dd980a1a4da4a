"""The line that is shown while a load runs."""

import time
from dataclasses import dataclass, field, replace

import pytest
from rich.text import Text
from straingauge.recording import Recorder
from straingauge.runner.progress import Progress, Snapshot, clock, progress_line
from straingauge.workers import LostProcess, MergedReports, Report, RunMetadata

MOMENT = Snapshot(
    name="quick",
    phase="",
    elapsed_s=7.0,
    duration_s=15.0,
    requests=700,
    rate_per_s=99.7,
    errors_percent=0.0,
    latency_ms={"p50": 0.82, "p95": 1.93, "p99": None},
)
FIGURES = "0:07, 0:08 left, 700 requests, 100/s, 0.0 % errors, p50 0.82 p95 1.93 p99 - ms"


@dataclass
class Paper:
    """A screen that keeps what is written."""

    live: bool = False
    width: int = 120
    said: list[str] = field(default_factory=list)
    drawn: list[str] = field(default_factory=list)

    def rewrite(self, text: str) -> None:
        """Keep it."""
        self.drawn.append(Text.from_ansi(text).plain)

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)


def merged(*counts: int, phase: str = "main", began_s_ago: float = 4.0) -> MergedReports:
    """A load of 10 s; each process has sent this many requests of 2 ms."""
    reports = []
    for number, count in enumerate(counts):
        recorder = Recorder()
        sink = recorder.endpoint_sink(phase, "GET /", 0)
        for n in range(count):
            sink.add(n * 1000, n * 1000, n * 1000 + 1, n * 1000 + 2_000_000, 200, None)
        reports.append(Report(f"p{number}", 0, count, recorder.snapshot().to_bytes()))
    metadata = RunMetadata(
        name="quick", started_at="2026-01-01T12:00:00+00:00", duration_s=10.0, cooldown_s=5.0
    )
    start_ns = time.monotonic_ns() - round(began_s_ago * 1e9)
    return MergedReports(tuple(reports), metadata=metadata, start_ns=start_ns)


def test_a_terminal_shows_the_time_that_is_left_and_the_figures_of_all():
    """Elapsed and remaining time add up to the duration; the statistics are of all processes."""
    paper = Paper(live=True)
    assert not Progress(paper).watch("t", merged(300, 100))
    (shown,) = paper.drawn
    assert "0:04, 0:06 left, 400 requests, 100/s, 0.0 % errors, p50 2.0" in shown
    assert shown.startswith("quick ━")
    assert paper.said == []


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch):
    """If lines cannot be rewritten: a line at the beginning, and one every ten seconds."""
    now_s = 1000.0
    monkeypatch.setattr("straingauge.runner.progress.time.monotonic", lambda: now_s)
    paper = Paper()
    progress = Progress(paper)
    for _ in range(50):  # 25 s
        progress.watch("t", merged(100))
        now_s += 0.5
    assert paper.said[0] == "load quick: 1 process"
    assert len(paper.said) == 3
    assert paper.said[1].startswith("load quick: 0:04, 0:06 left, 100 requests, 25/s, ")
    assert paper.drawn == []


@pytest.mark.parametrize(
    ("phase", "words"),
    [("setup", "logging in"), ("warmup", "warming up"), ("verify", "verifying")],
)
def test_what_is_no_load_is_called_by_its_name(phase: str, words: str):
    """While users log in, warm up or verify, no time of the load passes."""
    paper = Paper(live=True)
    Progress(paper).watch("t", merged(10, phase=phase))
    assert f"quick {words}, 10 requests, " in paper.drawn[0]
    assert "left" not in paper.drawn[0]


def test_cooldown_shows_its_time_left():
    """When the load has ended, the line says what is watched, and for how long."""
    paper = Paper(live=True)
    load_end_ns = time.monotonic_ns() - 2_000_000_000
    Progress(paper).watch("t", replace(merged(10), load_end_ns=load_end_ns))
    assert paper.drawn == ["quick cooldown: watching memory and connections, 3 s left"]


def test_a_lost_process_is_named_at_once():
    """A process that was lost is named when it is, and once."""
    paper = Paper(live=True)
    progress = Progress(paper)
    lost = replace(merged(10, 10), lost=(LostProcess("p1", "killed", 3),))
    progress.watch("t", lost)
    progress.watch("t", lost)
    assert paper.said == ["process p1 was lost: killed"]


@pytest.mark.parametrize("width", [20, 60, 80, 90, 100, 130, 300])
def test_the_line_fits_the_terminal(width: int):
    """Whatever its width, the progress is one line, with numbers before name and bar."""
    shown = Text.from_ansi(progress_line(MOMENT, width)).plain
    assert len(shown) < width
    assert shown.endswith(FIGURES) == (width > len(FIGURES))
    assert shown.startswith("quick") == (width > len("quick ") + len(FIGURES))
    assert ("━" in shown) == (width > len("quick ") + len(FIGURES) + 11)


def test_errors_are_red():
    """Errors stand out."""
    assert "\x1b[1;31m1.5 % errors" in progress_line(replace(MOMENT, errors_percent=1.5), 120)
    assert "31m" not in progress_line(replace(MOMENT, duration_s=None), 120)


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65.4, "1:05"), (7265, "2:01:05")])
def test_clock(seconds: float, shown: str):
    """Times are shown as clocks show them."""
    assert clock(seconds) == shown
