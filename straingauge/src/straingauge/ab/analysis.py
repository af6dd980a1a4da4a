"""Changes from base to head, computed from their requests: pure.

Consecutive pairs of slots are grouped into blocks. A block has enough requests of an endpoint in
both variants for the metric in question, and is longer than the time for which neighbouring pairs
are correlated. Blocks are compared pair by pair (`compare.paired`).

The data is evaluated a few times while it comes in, so that a clear result ends the trial early.
Each evaluation has its share of the error probability, and within it each metric (weighted
Bonferroni): all intervals of the last evaluation hold together with the given confidence. The last
one and the most informative metrics get the largest share, as in O'Brien & Fleming, Biometrics 35
(1979) 549.
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
from straingauge.statistics.distribution import Floats

RequestsByVariant: TypeAlias = Mapping[Name, Requests]

# Share of the budget at which the data is evaluated -> share of the error probability.
LOOKS: Final[Mapping[float, float]] = {0.25: 0.1, 0.5: 0.2, 1.0: 0.7}
MARGIN_PERCENT: Final = 3.0

# Metric -> its quantile (None: the mean), the requests of each variant that a block needs, and its
# share of the error probability.
_FIGURES: Final[Mapping[str, tuple[float | None, int, float]]] = {
    "p50 ms": (0.50, 10, 0.35),
    "avg ms": (None, 10, 0.35),
    "p95 ms": (0.95, 60, 0.15),
}
_ERRORS_PART: Final = 0.10
_THROUGHPUT_PART: Final = 0.05
_MIN_BLOCKS: Final = 8
_SEED: Final = 1


def changes(
    endpoints: Mapping[str, RequestsByVariant],
    pairs: int,
    *,
    margin_percent: float = MARGIN_PERCENT,
    look: float = 1.0,
    min_pairs: int = 1,
) -> list[Change]:
    """Compute the changes from base to head.

    Args:
        endpoints: Requests of both variants by endpoint.
        pairs: Number of pairs of slots.
        margin_percent: Smallest change that counts.
        look: Key in `LOOKS` of this evaluation.
        min_pairs: Smallest number of pairs in a block.
    """
    alpha = (1 - CONFIDENCE) * LOOKS[look]
    each = alpha / max(len(endpoints), 1)
    found = [_throughput(endpoints, pairs, min_pairs, alpha * _THROUGHPUT_PART, margin_percent)]
    for endpoint, variants in endpoints.items():
        for metric, (share, min_requests, part) in _FIGURES.items():
            blocks = _blocks(variants, pairs, min_requests, min_pairs)
            figures = {variant: _figures(variants[variant], blocks, share) for variant in NAMES}
            whole = {variant: _figure(variants[variant].took_ms, share) for variant in NAMES}
            change = _change(figures, whole, each * part, margin_percent)
            found.append(replace(change, endpoint=endpoint, metric=metric))
        found.append(_errors(endpoint, variants, each * _ERRORS_PART))
    return found


def is_conclusive(found: Sequence[Change]) -> bool:
    """True if an endpoint is worse, or the verdict on each endpoint's median is known."""
    if any(change.endpoint and change.verdict == "worse" for change in found):
        return True
    medians = [change for change in found if change.metric == "p50 ms"]
    return bool(medians) and all(change.verdict != "inconclusive" for change in medians)


def _blocks(
    variants: RequestsByVariant, pairs: int, min_requests: int, min_pairs: int
) -> list[int]:
    """The end of each block of pairs: each has enough requests of both variants, and pairs."""
    counts = np.stack([np.bincount(variants[variant].pairs, minlength=pairs) for variant in NAMES])
    ends: list[int] = []
    base = head = 0
    for pair, (of_base, of_head) in enumerate(counts.T.tolist(), 1):
        base, head = base + of_base, head + of_head
        if min(base, head) >= min_requests and pair - (ends[-1] if ends else 0) >= min_pairs:
            ends.append(pair)
            base = head = 0
    return ends


def _figures(requests: Requests, ends: Sequence[int], share: float | None) -> Floats:
    """The metric of each block."""
    order = np.argsort(requests.pairs, kind="stable")
    cuts = np.searchsorted(requests.pairs[order], ends)
    parts = np.split(requests.took_ms[order], cuts)[: len(ends)]
    return np.array([_figure(part, share) for part in parts], dtype=np.float64)


def _figure(took_ms: Floats, share: float | None) -> float:
    """A quantile, or the mean; NaN without requests."""
    if not took_ms.size:
        return nan
    return float(took_ms.mean() if share is None else np.quantile(took_ms, share))


def _throughput(
    endpoints: Mapping[str, RequestsByVariant],
    pairs: int,
    min_pairs: int,
    alpha: float,
    margin_percent: float,
) -> Change:
    """Requests per slot of all endpoints, block by block."""
    blocks = pairs // min_pairs
    figures: dict[Name, Floats] = {}
    for variant in NAMES:
        served = np.zeros(pairs)
        for variants in endpoints.values():
            served += np.bincount(variants[variant].pairs, minlength=pairs)
        figures[variant] = served[: blocks * min_pairs].reshape(blocks, min_pairs).mean(axis=1)
    both = (figures["base"] > 0) & (figures["head"] > 0)
    figures = {variant: figures[variant][both] for variant in NAMES}
    whole = {variant: float(figures[variant].mean()) if both.any() else nan for variant in NAMES}
    change = _change(figures, whole, alpha, margin_percent)
    return replace(change, metric="requests a slot", higher_is_better=True)


def _change(
    figures: Mapping[Name, Floats],
    whole: Mapping[Name, float],
    alpha: float,
    margin_percent: float,
) -> Change:
    blocks = figures["base"].size
    old, new = (None if np.isnan(whole[variant]) else whole[variant] for variant in NAMES)
    change = low = high = None
    reason: str | None = f"too few blocks with enough requests: {blocks}"
    if blocks:
        found = paired(np.log(figures["head"] / figures["base"]), alpha)
        change = found.change
        if blocks >= _MIN_BLOCKS and found.low is not None:
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


def _errors(endpoint: str, variants: RequestsByVariant, alpha: float) -> Change:
    random = np.random.default_rng(_SEED)
    shares, drawn = [], []
    for requests in (variants[variant] for variant in NAMES):
        total = max(requests.total - requests.rate_limited, 1)
        shares.append(100.0 * requests.errors / total)
        drawn.append(share_draws(requests.errors, total, random))
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
