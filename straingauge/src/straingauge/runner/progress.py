"""Progress of a load: one line, rewritten on a terminal, otherwise repeated now and then.

quick ━━━━━━━╸━━━━━━━━  0:07, 0:08 left, 700 requests, 99.7/s, 0.0 % errors, p50 0.82, p95 ...
"""

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from io import StringIO
from typing import Protocol

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from straingauge.number_text import count, number, rate
from straingauge.recording import Record
from straingauge.statistics import is_precise, metrics
from straingauge.workers import MergedReports, RunMetadata
from straingauge.workers.merge import merge_reports

PRECISE_PERCENTILES = (0.50, 0.95)  # a load may stop early once these are precise
PLAIN_INTERVAL_S = 10.0
MAX_CPU_SHARE = 0.02  # of the controller's time: it runs on the machine that sends
RATE_WINDOW_NS = 5_000_000_000
BAR_COLUMNS = (10, 30)

PHASES = {
    "setup": "logging in",
    "warmup": "warming up",
    "main": "",
    "verify": "verifying",
    "teardown": "tearing down",
}
WATCHING = ": watching memory and connections"
COOLDOWN = f"cooldown{WATCHING}"
OMITTED_FIRST = ("p50", "requests", "p99", "errors", "rate")  # on a narrow terminal, in this order
FINISHING = "finishing"


class Screen(Protocol):
    """A terminal or log that progress is written to."""

    @property
    def live(self) -> bool:
        """True for a terminal, on which a line can be rewritten."""

    @property
    def width(self) -> int:
        """Width in columns."""

    def rewrite(self, line: str) -> None:
        """Replace the last rewritten line."""

    def say(self, line: str) -> None:
        """Write a line that stays."""

    def announce(self, line: str) -> None:
        """Write a line that stays, with what looks like a secret in it."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a load at one instant.

    Attributes:
        name: Name of the run.
        phase: The phase in words; empty during the load itself.
        elapsed_s: Time since the start of the phase; 0 before the load.
        duration_s: Duration of the load or of the cooldown; None if unknown.
        requests: Requests so far in this phase.
        rate_per_s: Requests per second in the last few seconds.
        errors_percent: Share of errors among requests that were not rate limited.
        latency_ms: p50, p95 and p99 of the response time; None without requests.
    """

    name: str
    phase: str
    elapsed_s: float
    duration_s: float | None
    requests: int
    rate_per_s: float
    errors_percent: float
    latency_ms: dict[str, float | None]

    @property
    def left_s(self) -> float | None:
        """Time left by the schedule; None if unknown."""
        return None if self.duration_s is None else max(self.duration_s - self.elapsed_s, 0.0)

    @property
    def is_waiting(self) -> bool:
        """True in a phase whose statistics do not change."""
        return self.phase == COOLDOWN or self.phase.startswith(FINISHING)

    def as_text(self, width: int | None = None) -> str:
        """Return everything but the name as text.

        Args:
            width: The columns there are; without room for all, what matters least is omitted.
        """
        if self.phase == COOLDOWN:
            long = f"{COOLDOWN}, {self.left_s:.0f} s left" if self.left_s else COOLDOWN
            return long if width is None or len(long) <= width else long.replace(WATCHING, "")
        if self.phase.startswith(FINISHING):
            return self.phase
        omitted: frozenset[str] = frozenset()
        for part in ("", *OMITTED_FIRST):
            omitted |= {part}
            text = self._without(omitted)
            if width is None or len(text) <= width:
                break
        return text

    def _without(self, omitted: Collection[str]) -> str:
        """Return the text without some of its parts."""
        left = "" if self.phase or self.left_s is None else f"{clock(self.left_s)} left"
        counted = count(self.requests, "request")
        parts = {
            "phase": self.phase or clock(self.elapsed_s),
            "left": left,
            "requests": f"{counted} in this phase" if self.phase else counted,
            "rate": rate(self.rate_per_s),
            "errors": f"{self.errors_percent:.1f} % errors",
        }
        times = [
            f"{name} {number(value)}"
            for name, value in self.latency_ms.items()
            if name not in omitted
        ]
        shown = [text for name, text in parts.items() if text and name not in omitted]
        return f"{', '.join(shown)}, {' '.join(times)} ms"


@dataclass(slots=True)
class _Shown:
    """State of the display of one load."""

    samples: deque[tuple[int, int]] = field(default_factory=deque)  # (instant in ns, requests)
    phase: str = ""
    said: str = ""
    announced: bool = False
    lost: int = 0
    next_merge_s: float = 0.0
    next_line_s: float = 0.0

    def rate_per_s(self, phase: str, begun_ns: int | None, now_ns: int, requests: int) -> float:
        """Return requests per second over the last few seconds of this phase."""
        if phase != self.phase:
            self.phase = phase
            self.samples.clear()
            if begun_ns is not None:
                self.samples.append((begun_ns, 0))
        self.samples.append((now_ns, requests))
        while len(self.samples) > 2 and now_ns - self.samples[0][0] > RATE_WINDOW_NS:
            self.samples.popleft()
        since_ns, before = self.samples[0]
        return (requests - before) / ((now_ns - since_ns) / 1e9) if now_ns > since_ns else 0.0


class Progress:
    """Shows the progress of loads; `watch` is a `straingauge.workers.Watcher`."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._loads: dict[str, _Shown] = {}

    def watch(self, test: str, merged: MergedReports) -> bool:
        """Show a load; return whether its percentiles are precise, so that it may stop early."""
        now_s = time.monotonic()
        metadata = merged.metadata
        if metadata is None or not merged.reports:
            return False
        shown = self._loads.setdefault(test, _Shown(next_line_s=now_s + PLAIN_INTERVAL_S))
        if not (shown.announced or merged.start_ns is None):
            shown.announced = True
            parts = filter(None, (metadata.description, processes(merged)))
            self._screen.say(f"load {metadata.name}: {', '.join(parts)}")
        for lost in merged.lost[shown.lost :]:
            self._screen.say(f"process {lost.process} was lost: {lost.reason}")
        shown.lost = len(merged.lost)
        min_requests = metadata.min_requests
        due = self._screen.live or now_s >= shown.next_line_s
        if now_s < shown.next_merge_s or not (due or min_requests is not None):
            return False
        record = merge_reports(merged.reports)
        if due:
            shown.next_line_s = now_s + PLAIN_INTERVAL_S
            self._show(snapshot(merged, metadata, record, shown), shown)
        shown.next_merge_s = now_s + (time.monotonic() - now_s) / MAX_CPU_SHARE
        return min_requests is not None and _is_precise_enough(record, min_requests)

    def _show(self, now: Snapshot, shown: _Shown) -> None:
        if self._screen.live:
            self._screen.rewrite(progress_line(now, self._screen.width))
        elif not (now.is_waiting and now.phase == shown.said):
            self._screen.say(f"load {now.name}: {now.as_text()}")
        shown.said = now.phase


def snapshot(
    merged: MergedReports, metadata: RunMetadata, record: Record, shown: _Shown
) -> Snapshot:
    """Return the state of the current phase."""
    phase = next((each for each in reversed(PHASES) if each in record.phases), "main")
    figures = metrics(record, phase)
    latency = figures["latency_ms"]
    now_ns, requests = time.monotonic_ns(), figures["total_requests"]
    begun_ns = merged.start_ns if phase == "main" else None
    label, since_ns, duration_s = PHASES[phase], begun_ns, metadata.duration_s
    if phase == "main" and merged.load_end_ns is not None:
        label, since_ns, duration_s = COOLDOWN, merged.load_end_ns, metadata.cooldown_s
        if now_ns - since_ns > duration_s * 1e9:
            verify = f": waiting for {metadata.verify}, which may wait out a Retry-After"
            label = f"{FINISHING}{verify if metadata.verify else ''}"
    return Snapshot(
        name=metadata.name,
        phase=label,
        elapsed_s=max(now_ns - (since_ns or now_ns), 0) / 1e9,
        duration_s=duration_s,
        requests=requests,
        rate_per_s=shown.rate_per_s(phase, begun_ns, now_ns, requests),
        errors_percent=figures["error_rate_percent"],
        latency_ms={"p50": latency["p50"], "p95": latency["p95"], "p99": latency["p99"]},
    )


def progress_line(now: Snapshot, width: int, *, colour: bool = True) -> str:
    """Return one line for a terminal of a width: numbers, and name and bar if there is room."""
    words = Text(now.as_text(width - 1), no_wrap=True, overflow="ellipsis", end="")
    if now.errors_percent:
        words.highlight_regex(r"[\d.]+ % errors", "bold red")
    grid = Table.grid(padding=(0, 1), pad_edge=False)
    cells: list[Text | ProgressBar] = []
    room = width - 1 - len(now.as_text()) - len(now.name) - 1
    if room >= 0:
        cells.append(Text(now.name, style="bold"))
    if now.duration_s and not now.phase and room > BAR_COLUMNS[0]:
        bar = min(room - 1, BAR_COLUMNS[1])
        cells.append(ProgressBar(total=now.duration_s, completed=now.elapsed_s, width=bar))
    grid.add_row(*cells, words)
    console = Console(
        file=StringIO(),
        width=width - 1,
        force_terminal=colour,
        color_system="auto" if colour else None,
    )
    with console.capture() as captured:
        console.print(grid, end="")
    return captured.get().partition("\n")[0].rstrip()


def clock(seconds: float) -> str:
    """Format seconds as minutes and seconds, such as 1:05, with hours if there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def processes(merged: MergedReports) -> str:
    """Return the number of processes, and how many are idle, as text."""
    idle = f", {merged.idle} idle" if merged.idle else ""
    return f"{count(len(merged.reports), 'process', 'processes')}{idle}"


def _is_precise_enough(record: Record, min_requests: int) -> bool:
    response = record.total("main").response
    if sum(series.requests for series in record.endpoints("main").values()) < min_requests:
        return False
    return all(is_precise(response, quantile) for quantile in PRECISE_PERCENTILES)
