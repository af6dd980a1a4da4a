"""Both sides in turn, until it is plain or the time is up."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Protocol

from straingauge.ab.analysis import LOOKS, Sides, changes, is_conclusive
from straingauge.ab.request_log import Requests, SlotResult
from straingauge.ab.slot_plan import NAMES, Name, SlotPlan
from straingauge.compare import Change
from straingauge.errors import StraingaugeError, TargetError

BUDGET_S: Final = 110.0
SLOT_S: Final = 0.05
_REQUESTS_A_SLOT: Final = 10  # or the change of sides would be most of it
_LONGEST_SLOT_S: Final = 3.0
_BLOCK_S: Final = 1.0  # pairs within that are alike: singly they would count as more than they are
_BLOCKS: Final = 100  # of a short trial
_LOOK_EVERY_S: Final = 0.05
_START_DELAY_NS: Final = 300_000_000  # till both processes are set up
_SATURATED: Final = 0.9  # of a core: beyond, it is the generator that is slow
_LIMITED: Final = 0.01  # of the requests


class Plays(Protocol):
    """One side's player; see `player.Player`."""

    def begin(self, turns: SlotPlan, /) -> None:
        """Have it play its turns."""

    def stop(self) -> None:
        """Have it end what it plays."""

    def ready(self, within_s: float, /) -> bool:
        """Whether it has come to its end; waits at most so long for that."""

    def played(self) -> SlotResult:
        """What it did, once it has; raises TargetError."""


@dataclass(slots=True)
class Trial:
    """What was found so far; kept however it ends.

    Attributes:
        slot_s: How long each side's turn was.
        pairs: How many pairs of turns there were.
        endpoints: Both sides' requests, by endpoint.
        changes: By the last look.
        cpu_share: The generators', at most.
        problems: The first error of each kind, by side and endpoint.
        ended: Why it did not come to its end; None where it did.
        error: The same, to be raised once all is kept.
    """

    slot_s: float = SLOT_S
    pairs: int = 0
    endpoints: dict[str, dict[Name, Requests]] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    cpu_share: float = 0.0
    problems: dict[str, str] = field(default_factory=dict)
    ended: str | None = None
    error: StraingaugeError | None = None

    def add(self, played: Mapping[Name, SlotResult], turns: SlotPlan) -> None:
        """Count what both did in these turns."""
        for side, part in played.items():
            self.cpu_share = max(self.cpu_share, part.cpu_share)
            for kind, detail in part.problems.items():
                self.problems.setdefault(f"{side}: {kind}", detail)
            for name, requests in part.endpoints.items():
                sides = self.endpoints.setdefault(name, {each: Requests() for each in NAMES})
                sides[side] = sides[side].followed_by(requests, self.pairs)
        self.pairs += turns.pairs

    def judged(self, margin_percent: float, look: float, budget_s: float) -> list[Change]:
        """What has changed, by what was measured till now."""
        block_s = min(_BLOCK_S, budget_s / _BLOCKS)
        return changes(
            self.endpoints,
            self.pairs,
            margin_percent=margin_percent,
            look=look,
            shortest=ceil(block_s / (2 * self.slot_s)),
        )

    def invalid(self) -> str | None:
        """Why nothing may be concluded; None where something may."""
        parts = [each for sides in self.endpoints.values() for each in sides.values()]
        asked, limited = sum(each.asked for each in parts), sum(each.limited for each in parts)
        if not asked:
            return "no turn came to its end: there is nothing to compare"
        if limited > _LIMITED * asked:
            return (
                f"{limited} of {asked} requests were rate limited: switch the limits off for both "
                "sides (--env NAME=VALUE), or use more accounts"
            )
        if self.cpu_share > _SATURATED:
            return "the generator used up its core: use fewer users"
        return None


def run_trial(
    players: Mapping[Name, Plays],
    *,
    budget_s: float = BUDGET_S,
    warmup_s: float = 0.0,
    slot_s: float | None = None,
    users: int = 1,
    margin_percent: float,
    check_alive: Callable[[], None],
    say: Callable[[str], None] = lambda _line: None,
) -> Trial:
    """Play both sides in turn, and judge at each look.

    Args:
        players: The two sides.
        budget_s: How long what counts may take in all.
        warmup_s: How long both play before; what they do there counts nowhere.
        slot_s: How long a turn is; found out in the warm-up where it is not given.
        users: How many there are, to find it out.
        margin_percent: What nobody would mind.
        check_alive: Raises TargetError where a side's service is gone; asked when nobody answers.
        say: Is told how it stands after each look.

    Returns:
        What was found; where a service died or the user interrupted, what was found till then.
    """
    trial = Trial(slot_s=slot_s or SLOT_S)
    try:
        if warmup_s:
            warm = Trial(slot_s=trial.slot_s)
            _play(players, warm, warmup_s, check_alive)
            trial.slot_s = slot_s or _slot_s(warm.endpoints, users)
        before = 0.0
        for share in LOOKS:
            _play(players, trial, (share - before) * budget_s, check_alive)
            before = share
            trial.changes = trial.judged(margin_percent, share, budget_s)
            if is_conclusive(trial.changes):
                break
            say(f"after {share * budget_s:.0f} s some medians are not known yet")
    except TargetError as error:
        trial.ended, trial.error = str(error), error
    except KeyboardInterrupt:
        trial.ended = "interrupted"
    if trial.ended is not None and trial.pairs:
        trial.changes = trial.judged(margin_percent, 1.0, budget_s)
    return trial


def _play(
    players: Mapping[Name, Plays], trial: Trial, duration_s: float, check_alive: Callable[[], None]
) -> None:
    """Have both play for so long and add what they did, also where it ends early.

    Raises:
        TargetError: A service is gone.
        KeyboardInterrupt: The user has had enough.
    """
    turns = SlotPlan(
        start_ns=time.monotonic_ns() + _START_DELAY_NS,
        slot_ns=round(trial.slot_s * 1e9),
        pairs=max(1, round(duration_s / (2 * trial.slot_s))),
        seed=random.getrandbits(32),
    )
    for player in players.values():
        player.begin(turns)
    played: dict[Name, SlotResult] = {}
    try:
        _collect(players, played)
    except KeyboardInterrupt:
        for side in set(players) - set(played):
            players[side].stop()
        _collect(players, played)
        raise
    finally:
        if len(played) == len(players):
            trial.add(played, turns)
    if any(each.gone for each in played.values()):
        check_alive()


def _collect(players: Mapping[Name, Plays], played: dict[Name, SlotResult]) -> None:
    """Wait for both; where one finds nobody there any more, the other need not go on."""
    stopped = False
    while missing := [side for side in NAMES if side not in played]:
        for side in missing:
            if players[side].ready(_LOOK_EVERY_S):
                played[side] = players[side].played()
                if played[side].gone and not stopped:
                    stopped = True
                    for other in set(missing) - set(played):
                        players[other].stop()


def _slot_s(endpoints: Mapping[str, Sides], users: int) -> float:
    """Long enough for some requests, however slow they are; short enough to change sides often."""
    took = [each.took_ms.sum() for sides in endpoints.values() for each in sides.values()]
    count = sum(each.took_ms.size for sides in endpoints.values() for each in sides.values())
    if not count:
        return SLOT_S
    typical_s = float(sum(took)) / count / 1000 / users
    return min(max(SLOT_S, _REQUESTS_A_SLOT * typical_s), _LONGEST_SLOT_S)
