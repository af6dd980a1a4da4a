"""The progress line of a load."""

import time
from dataclasses import dataclass, field, replace

import pytest
from rich.text import Text
from straingauge.recording import Recorder
from straingauge.result.assembly import compose
from straingauge.runner.progress import Progress, Snapshot, clock, progress_line
from straingauge.workers import LostProcess, MergedReports, Report, RunMetadata

SNAPSHOT = Snapshot(
    name="quick",
    phase="",
    elapsed_s=7.0,
    duration_s=15.0,
    requests=700,
    rate_per_s=99.7,
    errors_percent=0.0,
    latency_ms={"p50": 0.82, "p95": 1.93, "p99": None},
)
STATISTICS = "0:07, 0:08 left, 700 requests, 99.7/s, 0.0 % errors, p50 0.820 p95 1.93 p99 - ms"


@dataclass
class FakeScreen:
    """A screen that keeps its output."""

    live: bool = False
    width: int = 120
    messages: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def rewrite(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(Text.from_ansi(text).plain)

    def say(self, text: str) -> None:
        """Keep the message."""
        self.messages.append(text)


def merged(*counts: int, phase: str = "main", began_s_ago: float = 4.0) -> MergedReports:
    """Return reports of a load of 10 s with these numbers of requests, each of 2 ms."""
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


def test_a_terminal_shows_time_left_and_merged_statistics(monkeypatch: pytest.MonkeyPatch):
    """Elapsed and remaining time add up to the duration; statistics are of all processes."""
    monkeypatch.setattr(time, "monotonic_ns", lambda: 10**12)  # no time passes meanwhile
    screen = FakeScreen(live=True)
    assert not Progress(screen).watch("t", merged(300, 100))
    (shown,) = screen.lines
    assert "0:04, 0:06 left, 400 requests, 100/s, 0.0 % errors, p50 2.0" in shown
    assert shown.startswith("quick ━")
    assert screen.messages == ["load quick: 2 processes"]


def test_a_log_gets_a_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch):
    """If lines cannot be rewritten, one is printed at the beginning and every ten seconds."""
    now_s = 1000.0
    monkeypatch.setattr("straingauge.runner.progress.time.monotonic", lambda: now_s)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 10**12)  # the load stays at its fourth second
    screen = FakeScreen()
    progress = Progress(screen)
    for _ in range(50):  # 25 s
        progress.watch("t", merged(100))
        now_s += 0.5
    assert screen.messages[0] == "load quick: 1 process"
    assert len(screen.messages) == 3
    assert screen.messages[1].startswith("load quick: 0:04, 0:06 left, 100 requests, 25.0/s, ")
    assert screen.lines == []


@pytest.mark.parametrize(
    ("phase", "text"),
    [("setup", "logging in"), ("warmup", "warming up"), ("verify", "verifying")],
)
def test_other_phases_are_named(phase: str, text: str):
    """Log-in, warm-up and verification are named, and show no time left."""
    screen = FakeScreen(live=True)
    Progress(screen).watch("t", merged(10, phase=phase))
    assert f"quick {text}, 10 requests in this phase, " in screen.lines[0]
    assert "left" not in screen.lines[0]


def test_one_request_is_singular():
    """The number of requests reads as English, and says that it is that of a phase."""
    screen = FakeScreen(live=True)
    Progress(screen).watch("t", merged(1, phase="verify"))
    assert "verifying, 1 request in this phase, " in screen.lines[0]


def test_cooldown_shows_its_time_left():
    """In the cooldown the line says what is observed, and for how long."""
    screen = FakeScreen(live=True)
    load_end_ns = time.monotonic_ns() - 2_000_000_000
    Progress(screen).watch("t", replace(merged(10), load_end_ns=load_end_ns))
    assert screen.lines == ["quick cooldown: watching memory and connections, 3 s left"]


def test_a_lost_process_is_named_once():
    """A lost process is named immediately, and once."""
    screen = FakeScreen(live=True)
    progress = Progress(screen)
    lost = replace(merged(10, 10), lost=(LostProcess("p1", "killed", 3),))
    progress.watch("t", lost)
    progress.watch("t", lost)
    assert screen.messages == ["load quick: 2 processes", "process p1 was lost: killed"]


@pytest.mark.parametrize("width", [20, 60, 80, 90, 100, 130, 300])
def test_the_line_fits_the_terminal(width: int):
    """The line fits any width; the statistics take precedence over name and bar."""
    shown = Text.from_ansi(progress_line(SNAPSHOT, width)).plain
    assert len(shown) < width
    assert shown.endswith(STATISTICS) == (width > len(STATISTICS))
    assert shown.startswith("quick") == (width > len("quick ") + len(STATISTICS))
    assert ("━" in shown) == (width > len("quick ") + len(STATISTICS) + 11)


def test_errors_are_red():
    """An error rate above 0 is red."""
    assert "\x1b[1;31m1.5 % errors" in progress_line(replace(SNAPSHOT, errors_percent=1.5), 120)
    assert "31m" not in progress_line(replace(SNAPSHOT, duration_s=None), 120)


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (65.4, "1:05"), (7265, "2:01:05")])
def test_clock(seconds: float, shown: str):
    """Times are shown as minutes and seconds, with hours if needed."""
    assert clock(seconds) == shown


def test_waiting_is_said_once(monkeypatch: pytest.MonkeyPatch):
    """In a log, the cooldown and what follows it are said once each, with what is waited for."""
    now_s = 1000.0
    monkeypatch.setattr("straingauge.runner.progress.time.monotonic", lambda: now_s)
    monkeypatch.setattr(time, "monotonic_ns", lambda: round(now_s * 1e9))
    screen = FakeScreen()
    progress = Progress(screen)
    load = merged(100, began_s_ago=0.0)
    metadata = replace(load.metadata, cooldown_s=25.0, verify="honor_retry_after")
    load = replace(load, metadata=metadata, load_end_ns=round(now_s * 1e9))
    for _ in range(200):  # 100 s
        progress.watch("t", load)
        now_s += 0.5
    assert screen.messages[1:] == [
        "load quick: cooldown: watching memory and connections, 15 s left",
        "load quick: finishing: waiting for honor_retry_after, which may wait out a Retry-After",
    ]


@pytest.mark.parametrize(
    ("phase", "message"),
    [
        ("warmup", "interrupted in the warm-up, after 3 requests that count in no verdict"),
        ("setup", "interrupted in the log-in, after 3 requests that count in no verdict"),
    ],
)
def test_an_interrupt_before_the_load_says_what_was_done(phase: str, message: str):
    """A load that was interrupted before its start says in which phase, and what was sent."""
    reports = replace(merged(3, phase=phase), abort_reason="interrupted", start_ns=None)
    (reason, *_) = compose(reports)["validity"]["reasons"]
    assert reason["message"] == f"no load was sent: {message}"
