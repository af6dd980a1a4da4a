"""How a load comes on: one line, rewritten on a terminal, else written anew now and then.

quick ━━━━━━━╸━━━━━━━━  0:07, 0:08 left, 700 requests, 100/s, 0.0 % errors, p50 0.82, p95 ...
"""

import time
from collections import deque
from dataclasses import dataclass, field
from io import StringIO
from typing import Protocol

from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from straingauge.recording import Record
from straingauge.report.format import number
from straingauge.statistics import is_precise, metrics
from straingauge.workers import MergedReports

HELD_PERCENTILES = (0.50, 0.95)
PLAIN_EVERY_S = 10.0
SHARE = 0.02  # of the controller's time: it has its CPU from the machine that sends
RATE_OVER_NS = 5_000_000_000
BAR_COLUMNS = (10, 30)

PHASES = {"setup": "logging in", "warmup": "warming up", "main": "", "verify": "reading back"}
COOLDOWN = "looking on at rest"


class Screen(Protocol):
    """Where progress is shown."""

    @property
    def live(self) -> bool:
        """Whether it is a terminal, on which a line can be rewritten."""

    @property
    def width(self) -> int:
        """In columns."""

    def rewrite(self, line: str) -> None:
        """Replace the line that was rewritten last."""

    def say(self, line: str) -> None:
        """Write a line that stays."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A load at one instant.

    Attributes:
        name: The load's.
        phase: What is being done, in words; empty while the load itself is played.
        elapsed_s: Since the load's start; 0 before.
        duration_s: How long it is to take; None where nobody knows.
        requests: So far, in this phase.
        rate_per_s: Requests each second, lately.
        errors_percent: Of the requests that were not rate limited.
        latency_ms: p50, p95 and p99 of the response time; None of nothing.
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
        """How long it still takes, by its schedule."""
        return None if self.duration_s is None else max(self.duration_s - self.elapsed_s, 0.0)

    def in_words(self) -> str:
        """All of it but the name."""
        parts = [self.phase] if self.phase else [clock(self.elapsed_s)]
        if not self.phase and self.left_s is not None:
            parts.append(f"{clock(self.left_s)} left")
        parts += [f"{self.requests} requests", f"{self.rate_per_s:.0f}/s"]
        parts.append(f"{self.errors_percent:.1f} % errors")
        percentiles = (f"{name} {number(value)}" for name, value in self.latency_ms.items())
        return f"{', '.join(parts)}, {' '.join(percentiles)} ms"


@dataclass(slots=True)
class _Shown:
    """What was shown of one load."""

    seen: deque[tuple[int, int]] = field(default_factory=deque)  # when (ns), how many requests
    phase: str = ""
    begun: bool = False
    lost: int = 0
    look_at_s: float = 0.0
    say_at_s: float = 0.0

    def rate_per_s(self, phase: str, begun_ns: int | None, now_ns: int, requests: int) -> float:
        """Requests each second over the last few seconds of this phase."""
        if phase != self.phase:
            self.phase = phase
            self.seen.clear()
            if begun_ns is not None:
                self.seen.append((begun_ns, 0))
        self.seen.append((now_ns, requests))
        while len(self.seen) > 2 and now_ns - self.seen[0][0] > RATE_OVER_NS:
            self.seen.popleft()
        since_ns, before = self.seen[0]
        return (requests - before) / ((now_ns - since_ns) / 1e9) if now_ns > since_ns else 0.0


class Progress:
    """Shows how loads come on; its `watch` is a `straingauge.workers.Watcher`."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._loads: dict[str, _Shown] = {}

    def watch(self, test: str, merged: MergedReports) -> bool:
        """Show a load's figures; gives whether they hold, so that it may end."""
        now_s = time.monotonic()
        plan = merged.plan
        if plan is None or not merged.reports:
            return False
        shown = self._loads.setdefault(test, _Shown(say_at_s=now_s + PLAIN_EVERY_S))
        if not (self._screen.live or shown.begun or merged.start_ns is None):
            shown.begun = True
            self._screen.say(f"load {plan['name']}: {processes(merged)}")
        for lost in merged.lost[shown.lost :]:
            self._screen.say(f"process {lost.process} was lost: {lost.reason}")
        shown.lost = len(merged.lost)
        enough = plan.get("enough_requests")
        due = self._screen.live or now_s >= shown.say_at_s
        if now_s < shown.look_at_s or not (due or enough is not None):
            return False
        record = Record().merge(*(Record.from_bytes(report.record) for report in merged.reports))
        if due:
            shown.say_at_s = now_s + PLAIN_EVERY_S
            self._show(snapshot(merged, record, shown))
        shown.look_at_s = now_s + (time.monotonic() - now_s) / SHARE
        return enough is not None and _hold(record, enough)

    def _show(self, now: Snapshot) -> None:
        if self._screen.live:
            self._screen.rewrite(progress_line(now, self._screen.width))
        else:
            self._screen.say(f"load {now.name}: {now.in_words()}")


def snapshot(merged: MergedReports, record: Record, shown: _Shown) -> Snapshot:
    """The figures of the phase that is on."""
    plan = merged.plan or {}
    phase = next((each for each in reversed(PHASES) if each in record.phases), "main")
    figures = metrics(record, phase)
    latency = figures["latency_ms"]
    now_ns, requests = time.monotonic_ns(), figures["total_requests"]
    begun_ns = merged.start_ns if phase == "main" else None
    doing = COOLDOWN if merged.over and phase == "main" else PHASES[phase]
    return Snapshot(
        name=plan["name"],
        phase=doing,
        elapsed_s=max(now_ns - (begun_ns or now_ns), 0) / 1e9,
        duration_s=plan.get("duration_s"),
        requests=requests,
        rate_per_s=shown.rate_per_s(phase, begun_ns, now_ns, requests),
        errors_percent=figures["error_rate_percent"],
        latency_ms={"p50": latency["p50"], "p95": latency["p95"], "p99": latency["p99"]},
    )


def progress_line(now: Snapshot, width: int, *, colour: bool = True) -> str:
    """One line for a terminal of that width: the figures; where there is room, name and bar."""
    words = Text(now.in_words(), no_wrap=True, overflow="ellipsis", end="")
    if now.errors_percent:
        words.highlight_regex(r"[\d.]+ % errors", "bold red")
    grid = Table.grid(padding=(0, 1), pad_edge=False)
    cells: list[Text | ProgressBar] = []
    room = width - 1 - len(words.plain) - len(now.name) - 1
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
    """Minutes and seconds, as 1:05; hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def processes(merged: MergedReports) -> str:
    """How many take part, and how many had no share."""
    count = len(merged.reports)
    idle = f", {merged.idle} without a share" if merged.idle else ""
    return f"{count} process{'es' if count != 1 else ''}{idle}"


def _hold(record: Record, enough: int) -> bool:
    response = record.total("main").response
    if sum(series.requests for series in record.endpoints("main").values()) < enough:
        return False
    return all(is_precise(response, quantile) for quantile in HELD_PERCENTILES)
