"""Comparison of two results: the change of each metric, its interval and verdict."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Literal

import numpy as np

from straingauge.compare.bootstrap import (
    interval,
    mean_draws_ns,
    percent,
    quantile_draws_ns,
    rate_draws,
    share_draws,
)
from straingauge.compare.comparable import Result, differences, invalid, notes
from straingauge.compare.sample import (
    design_effect,
    endpoint_samples,
    interval_samples,
    named_samples,
)
from straingauge.compare.verdict import Change, Verdict
from straingauge.errors import InvalidRun, UsageError
from straingauge.number_text import count
from straingauge.statistics.distribution import Distribution, Floats
from straingauge.statistics.quantile import interval_ranks, samples_needed
from straingauge.verdict.metrics import METRICS, value_of

MARGIN_PERCENT: Final = 5.0
# Error rates, in percentage points: a change above MARGIN_POINTS is worse. Within ALIKE_POINTS they
# are the same, because a narrower interval would need thousands of requests.
MARGIN_POINTS: Final = 0.1
ALIKE_POINTS: Final = 1.0
CONFIDENCE: Final = 0.95  # that all intervals of a comparison hold

_QUANTILES: Final = (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))
_SEED: Final = 1
_LEAST_SLOTS: Final = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Changes from one result to another.

    Attributes:
        name: Name of the load test.
        old, new: Origin of each result: file, started_at, commit.
        changes: Those of the whole run, then those of each endpoint.
        warnings: Reasons for doubt that --force overruled, and other differences.
    """

    name: str
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    changes: Sequence[Change]
    warnings: Sequence[str]

    def count(self, verdict: Verdict) -> int:
        """Number of changes with that verdict."""
        return sum(change.verdict == verdict for change in self.changes)


@dataclass(slots=True)
class _Pair:
    """A metric in both results, before the number of comparisons is known."""

    endpoint: str
    metric: str
    old: float | None
    new: float | None
    draws: Floats | None = None
    unit: Literal["%", "points"] = "%"
    higher_is_better: bool = False
    reason: str | None = None


def compare(
    old: Result,
    new: Result,
    *,
    margin_percent: float = MARGIN_PERCENT,
    confidence: float = CONFIDENCE,
    force: bool = False,
) -> Comparison:
    """Compare two results.

    The intervals hold simultaneously: the probability that any of them misses its true value is at
    most 1 - confidence (Bonferroni). They cover chance within a run, not what the machine did
    between the runs; `straingauge ab` avoids that.

    Args:
        old: A result, as `straingauge.result` reads it.
        new: The other result.
        margin_percent: Smallest change that counts; for error rates it is `MARGIN_POINTS`.
        confidence: Probability that all intervals hold.
        force: Compare despite different machines or settings, with warnings.

    Raises:
        InvalidRun: One of the results is invalid.
        UsageError: They cannot be compared, or have no histograms; the message says why.
    """
    broken = [
        f"the {word} run is invalid: {'; '.join(why)}"
        for word, result in (("old", old), ("new", new))
        if (why := invalid(result))
    ]
    doubts = [*broken, *differences(old, new)]
    if doubts and not force:
        kind = InvalidRun if broken else UsageError
        raise kind(
            f"these results cannot be compared: {'; '.join(doubts)}",
            hint="run the same load on the same machine again, or use --force; "
            "straingauge ab compares two builds on one machine",
        )
    pairs = list(_pairs(old, new, np.random.default_rng(_SEED)))
    _withhold_times_of_errors(pairs)
    tested = sum(pair.draws is not None for pair in pairs)
    alpha = (1 - confidence) / max(tested, 1)
    return Comparison(
        name=str(new["name"]),
        old=_origin(old),
        new=_origin(new),
        changes=[_change(pair, alpha, margin_percent) for pair in pairs],
        warnings=[*doubts, *notes(old, new)],
    )


def _pairs(old: Result, new: Result, random: np.random.Generator) -> Iterator[_Pair]:
    before, after = endpoint_samples(old), endpoint_samples(new)
    slots = interval_samples(old), interval_samples(new)
    whole = Distribution.merged(list(before.values())), Distribution.merged(list(after.values()))
    effects = [design_effect(each) for each in slots]
    yield from _times("", whole, whole, effects, random)
    yield _throughput(old, new, random)
    yield _errors("", old["metrics"], new["metrics"], random)
    for name, metric in METRICS.items():
        was, now = value_of(old, name), value_of(new, name)
        if metric.compared_as_value and (was is not None or now is not None):
            yield _Pair("", metric.label, was, now, reason="one value per run has no interval")
    for endpoint in [*before, *(name for name in after if name not in before)]:
        if endpoint not in before or endpoint not in after:
            where = "the new" if endpoint in before else "the old"
            yield _Pair(endpoint, "p50 ms", None, None, reason=f"not called in {where} run")
            continue
        yield from _times(endpoint, (before[endpoint], after[endpoint]), whole, effects, random)
        parts = old["endpoints"][endpoint], new["endpoints"][endpoint]
        yield _errors(endpoint, *parts, random)
    for section in ("scenarios", "transactions"):
        yield from _named(section, (old, new), whole, effects, random)


def _named(
    section: str,
    results: tuple[Result, Result],
    whole: tuple[Distribution, Distribution],
    effects: Sequence[float],
    random: np.random.Generator,
) -> Iterator[_Pair]:
    """Response times and errors of the scenarios or transactions of both runs.

    The times of transactions are without pauses.
    """
    before, after = (named_samples(each, section) for each in results)
    for name in [*before, *(each for each in after if each not in before)]:
        title = f"{section.removesuffix('s')} {name}"
        if name not in before or name not in after:
            where = "the new" if name in before else "the old"
            yield _Pair(title, "p50 ms", None, None, reason=f"not in {where} run")
            continue
        yield from _times(title, (before[name], after[name]), whole, effects, random)
        was, now = (_ended(each[section][name]) for each in results)
        yield _errors(title, was, now, random)


def _ended(figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the ends of a transaction in the form of requests, a scenario unchanged."""
    if "total_requests" in figures:
        return figures
    return {
        "total_requests": figures["completed"] + figures["failed"],
        "error_rate_percent": figures["error_rate_percent"],
    }


def _times(
    endpoint: str,
    samples: tuple[Distribution, Distribution],
    whole: tuple[Distribution, Distribution],
    effects: Sequence[float],
    random: np.random.Generator,
) -> Iterator[_Pair]:
    if not all(sample.count for sample in samples):
        yield _Pair(endpoint, "p50 ms", None, None, reason="no successful requests")
        return
    deff = [
        1 + (effect - 1) * part.count / all_.count
        for effect, part, all_ in zip(effects, samples, whole, strict=True)
    ]
    for name, q in _QUANTILES:
        was, now = (float(sample.smooth_quantiles_ns(np.array([q]))[0]) / 1e6 for sample in samples)
        pair = _Pair(endpoint, f"{name} ms", was, now)
        least = min(int(each.count / d) for each, d in zip(samples, deff, strict=True))
        if interval_ranks(least, q) is None:
            few = count(least, "effective sample is", "effective samples are")
            pair.reason = f"{few} too few for {name}: needs {samples_needed(q):,}"
        else:
            drawn = (
                quantile_draws_ns(sample, q, effect, random)
                for sample, effect in zip(samples, deff, strict=True)
            )
            pair.draws = percent(*drawn)
        yield pair
    was, now = (sample.mean_ns() / 1e6 for sample in samples)
    means = (
        mean_draws_ns(sample, effect, random) for sample, effect in zip(samples, deff, strict=True)
    )
    yield _Pair(endpoint, "avg ms", was, now, percent(*means))


def _throughput(old: Result, new: Result, random: np.random.Generator) -> _Pair:
    """Throughput of the whole run, by its intervals; the last one is shorter and not used.

    A result has no interval without requests; there the throughput was 0.
    """
    was, now = (float(each["metrics"]["throughput_rps"]) for each in (old, new))
    pair = _Pair("", "throughput /s", was, now, higher_is_better=True)
    rates = [_rates(result) for result in (old, new)]
    if min(each.size for each in rates) < _LEAST_SLOTS:
        pair.reason = f"the run is too short: fewer than {_LEAST_SLOTS + 1} intervals"
    else:
        pair.draws = percent(*(rate_draws(each, random) for each in rates))
    return pair


def _rates(result: Result) -> Floats:
    """Served requests per second of all intervals but the last."""
    rows = result.get("intervals", [])
    if not rows:
        return np.zeros(0)
    width_s = rows[0]["duration_s"]
    slots = [round((row["start_s"] - rows[0]["start_s"]) / width_s) for row in rows]
    rates = np.zeros(slots[-1] + 1)
    rates[slots] = [sample.count / width_s for sample in interval_samples(result)]
    return rates[:-1]


def _errors(endpoint: str, old: Result, new: Result, random: np.random.Generator) -> _Pair:
    figures = []
    for part in (old, new):
        asked = part["total_requests"] - part.get("rate_limited", 0)
        wrong = round(part["error_rate_percent"] / 100 * asked)
        figures.append((part["error_rate_percent"], wrong, asked))
    (was, *before), (now, *after) = figures
    pair = _Pair(endpoint, "errors %", was, now, unit="points")
    if min(before[1], after[1]) > 0:
        drawn = [share_draws(wrong, asked, random) for wrong, asked in (before, after)]
        pair.draws = 100.0 * (drawn[1] - drawn[0])
    else:
        pair.reason = "no requests"
    return pair


def _withhold_times_of_errors(pairs: Sequence[_Pair]) -> None:
    """Remove the intervals of times and rates where the error rates differ.

    Fast errors make a service look faster, and their end makes it look slower; neither is a change
    of the response time. It is `ALIKE_POINTS` that makes error rates differ.
    """
    errors = {pair.endpoint: pair for pair in pairs if pair.unit == "points"}
    for pair in pairs:
        rates = errors.get(pair.endpoint)
        if pair.draws is None or pair is rates or rates is None:
            continue
        was, now = rates.old or 0.0, rates.new or 0.0
        if abs(now - was) >= ALIKE_POINTS:
            pair.draws = None
            pair.reason = f"{was:.3g} % and {now:.3g} % errors, whose times are no response times"


def _change(pair: _Pair, alpha: float, margin_percent: float) -> Change:
    low = high = change = None
    if pair.draws is not None:
        low, high = interval(pair.draws, alpha)
        if not (isfinite(low) and isfinite(high)):
            low = high = None
            pair.reason = "a change from 0 has no percentage"
    if pair.old is not None and pair.new is not None:
        if pair.unit == "points":
            change = pair.new - pair.old
        elif pair.old:
            change = 100.0 * (pair.new / pair.old - 1.0)
    return Change(
        endpoint=pair.endpoint,
        metric=pair.metric,
        old=pair.old,
        new=pair.new,
        change=change,
        low=low,
        high=high,
        unit=pair.unit,
        margin=MARGIN_POINTS if pair.unit == "points" else margin_percent,
        same_margin=ALIKE_POINTS if pair.unit == "points" else None,
        higher_is_better=pair.higher_is_better,
        reason=pair.reason,
    )


def _origin(result: Result) -> dict[str, Any]:
    return {
        "started_at": result["started_at"],
        "commit": (result["environment"].get("commit") or {}).get("id"),
    }
