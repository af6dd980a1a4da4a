"""From requests to changes: pure.

Consecutive pairs of slots are put together until a block has enough requests of an endpoint on both
sides for the figure in question, and is as long as pairs are alike for being near to each other;
the blocks are what is compared, one by one (`compare.paired`).

There are a few looks at them while they come in, so that what is plain ends early. Each look has
its share of the error probability, and in it each figure (Bonferroni, weighted, both times):
whichever look is the last, all its intervals hold together with the confidence asked for. Most goes
to the last look and to the figures that say most (as O'Brien & Fleming, Biometrics 35 (1979) 549,
spend little on early looks).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan
from typing import Final, TypeAlias

import numpy as np

from straingauge.ab.request_log import Requests
from straingauge.ab.slot_plan import NAMES, Name
from straingauge.compare import Change, paired
from straingauge.compare.bootstrap import interval, share_draws
from straingauge.compare.comparison import ALIKE_POINTS, CONFIDENCE, MARGIN_POINTS
from straingauge.compare.sample import Floats

Sides: TypeAlias = Mapping[Name, Requests]

# At these shares of the time given, and each one's share of the error probability.
LOOKS: Final[Mapping[float, float]] = {0.25: 0.1, 0.5: 0.2, 1.0: 0.7}
MARGIN_PERCENT: Final = 3.0

# The figure, as a share or the mean; how many requests of each side a block of it needs; and its
# part of the error probability.
_FIGURES: Final[Mapping[str, tuple[float | None, int, float]]] = {
    "p50 ms": (0.50, 10, 0.35),
    "avg ms": (None, 10, 0.35),
    "p95 ms": (0.95, 60, 0.15),
}
_ERRORS_PART: Final = 0.10
_THROUGHPUT_PART: Final = 0.05
_LEAST_BLOCKS: Final = 8
_SEED: Final = 1


def changes(
    endpoints: Mapping[str, Sides],
    pairs: int,
    *,
    margin_percent: float = MARGIN_PERCENT,
    look: float = 1.0,
    shortest: int = 1,
) -> list[Change]:
    """What changed from base to head, by what both did till now.

    Args:
        endpoints: Both sides' requests, by endpoint.
        pairs: How many pairs of slots there were.
        margin_percent: What nobody would mind.
        look: Which of the looks it is.
        shortest: The least number of pairs in a block.
    """
    alpha = (1 - CONFIDENCE) * LOOKS[look]
    each = alpha / max(len(endpoints), 1)
    found = [_throughput(endpoints, pairs, shortest, alpha * _THROUGHPUT_PART, margin_percent)]
    for endpoint, sides in endpoints.items():
        for metric, (share, least, part) in _FIGURES.items():
            blocks = _blocks(sides, pairs, least, shortest)
            figures = {side: _figures(sides[side], blocks, share) for side in NAMES}
            whole = {side: _figure(sides[side].took_ms, share) for side in NAMES}
            change = _change(figures, whole, each * part, margin_percent)
            found.append(replace(change, endpoint=endpoint, metric=metric))
        found.append(_errors(endpoint, sides, each * _ERRORS_PART))
    return found


def is_conclusive(found: Sequence[Change]) -> bool:
    """Whether more turns would tell nothing that matters: an endpoint is worse, or all is known."""
    if any(change.endpoint and change.verdict == "worse" for change in found):
        return True
    medians = [change for change in found if change.metric == "p50 ms"]
    return bool(medians) and all(change.verdict != "inconclusive" for change in medians)


def _blocks(sides: Sides, pairs: int, least: int, shortest: int) -> list[int]:
    """Where each block of pairs ends: each has enough requests of both sides, and enough pairs."""
    counts = np.stack([np.bincount(sides[side].pairs, minlength=pairs) for side in NAMES])
    ends: list[int] = []
    base = head = 0
    for pair, (of_base, of_head) in enumerate(counts.T.tolist(), 1):
        base, head = base + of_base, head + of_head
        if min(base, head) >= least and pair - (ends[-1] if ends else 0) >= shortest:
            ends.append(pair)
            base = head = 0
    return ends


def _figures(requests: Requests, ends: Sequence[int], share: float | None) -> Floats:
    """The figure of each block."""
    order = np.argsort(requests.pairs, kind="stable")
    cuts = np.searchsorted(requests.pairs[order], ends)
    parts = np.split(requests.took_ms[order], cuts)[: len(ends)]
    return np.array([_figure(part, share) for part in parts], dtype=np.float64)


def _figure(took_ms: Floats, share: float | None) -> float:
    """A quantile, or the mean; NaN of nothing."""
    if not took_ms.size:
        return nan
    return float(took_ms.mean() if share is None else np.quantile(took_ms, share))


def _throughput(
    endpoints: Mapping[str, Sides], pairs: int, shortest: int, alpha: float, margin_percent: float
) -> Change:
    """Of the whole: what each side was served in its turns, block by block."""
    blocks = pairs // shortest
    figures: dict[Name, Floats] = {}
    for side in NAMES:
        served = np.zeros(pairs)
        for sides in endpoints.values():
            served += np.bincount(sides[side].pairs, minlength=pairs)
        figures[side] = served[: blocks * shortest].reshape(blocks, shortest).mean(axis=1)
    both = (figures["base"] > 0) & (figures["head"] > 0)
    figures = {side: figures[side][both] for side in NAMES}
    whole = {side: float(figures[side].mean()) if both.any() else nan for side in NAMES}
    change = _change(figures, whole, alpha, margin_percent)
    return replace(change, metric="requests a turn", higher_is_better=True)


def _change(
    figures: Mapping[Name, Floats],
    whole: Mapping[Name, float],
    alpha: float,
    margin_percent: float,
) -> Change:
    blocks = figures["base"].size
    old, new = (None if np.isnan(whole[side]) else whole[side] for side in NAMES)
    change = low = high = None
    reason: str | None = f"{blocks} blocks of enough requests are too few"
    if blocks:
        found = paired(np.log(figures["head"] / figures["base"]), alpha)
        change = found.change
        if blocks >= _LEAST_BLOCKS and found.low is not None:
            low, high, reason = found.low, found.high, None
    return Change(
        endpoint="",
        metric="",
        old=old,
        new=new,
        change=change,
        low=low,
        high=high,
        unit="%",
        margin=margin_percent,
        reason=reason,
    )


def _errors(endpoint: str, sides: Sides, alpha: float) -> Change:
    random = np.random.default_rng(_SEED)
    shares, drawn = [], []
    for requests in (sides[side] for side in NAMES):
        asked = max(requests.asked - requests.limited, 1)
        shares.append(100.0 * requests.errors / asked)
        drawn.append(share_draws(requests.errors, asked, random))
    low, high = interval(100.0 * (drawn[1] - drawn[0]), alpha)
    return Change(
        endpoint=endpoint,
        metric="errors %",
        old=shares[0],
        new=shares[1],
        change=shares[1] - shares[0],
        low=low,
        high=high,
        unit="points",
        margin=MARGIN_POINTS,
        same_margin=ALIKE_POINTS,
    )
