"""Metrics with a number or a kind in their name.

p90_ms, p99.9_ms, ...       any percentile of the response time, more than p0 and less than p100
timeout_rate_percent, ...   errors of one kind, in percent of all requests
status_503_rate_percent     responses with one status, in percent of all requests
status_5xx_rate_percent     responses with a status of one class, likewise
unanswered_rate_percent     requests without any response, likewise
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from straingauge.http import ErrorKind
from straingauge.verdict.metric import Counts, Metric

NO_RESPONSE: Final = frozenset(
    str(kind)
    for kind in ErrorKind
    if kind
    not in {
        ErrorKind.SHORT_BODY,
        ErrorKind.PROTOCOL,
        ErrorKind.BAD_STATUS,
        ErrorKind.FAILED_CHECK,
        ErrorKind.REDIRECT,
        ErrorKind.RATE_LIMITED,
        ErrorKind.JOURNEY_ERROR,
        ErrorKind.EARLY_CLOSE,
        ErrorKind.OUT_OF_SOCKETS,  # it was not sent
    }
)
"""Kinds of errors of requests that got no response at all."""

KINDS: Final = tuple(
    str(kind)
    for kind in ErrorKind
    if kind not in {ErrorKind.RATE_LIMITED, ErrorKind.JOURNEY_ERROR}  # a 429; not a request
)
EXAMPLES: Final = (
    "p90_ms",
    "p99.9_ms",
    *(f"{kind}_rate_percent" for kind in KINDS),
    "unanswered_rate_percent",
    "status_503_rate_percent",
    "status_5xx_rate_percent",
)
"""Names to suggest for one that is misspelt."""

_PERCENTILE: Final = re.compile(r"p(?!0+(?:\.0+)?_)(\d{1,2}(?:\.\d{1,3})?)_ms")
_STATUS: Final = re.compile(r"status_([1-5](?:\d\d|xx))_rate_percent")
_KIND: Final = re.compile(rf"({'|'.join(KINDS)})_rate_percent")

PATTERNS: Final = {
    _PERCENTILE.pattern: "p90_ms",
    _STATUS.pattern: "status_503_rate_percent",
    _KIND.pattern: f"{KINDS[0]}_rate_percent",
    "unanswered_rate_percent": "unanswered_rate_percent",
}
"""Patterns of all names, each with an example."""

FAMILIES: Final = (__doc__ or "").partition("\n\n")[2].rstrip()


@lru_cache(maxsize=256)
def family_metric(name: str) -> Metric | None:
    """Return the metric of a name such as "p99.9_ms"; None if it is none of these."""
    if found := _PERCENTILE.fullmatch(name):
        return percentile(f"p{found[1]}")
    if found := _STATUS.fullmatch(name):
        return _share_of_status(found[1])
    if found := _KIND.fullmatch(name):
        return _share_of_kinds(found[1].replace("_", " "), frozenset({found[1]}))
    if name == "unanswered_rate_percent":
        return _share_of_kinds("unanswered", NO_RESPONSE)
    return None


def percentile(name: str, *, in_history: bool = False) -> Metric:
    """Return the metric of a percentile such as "p95", of which every result has three."""
    always = name in {"p50", "p95", "p99"}
    return Metric(
        title=name,
        unit="ms",
        description=f"{name[1:]}th percentile of the response time (done - intended start)",
        path=("metrics", "latency_ms", *(() if always else ("percentiles",)), name),
        topic="speed",
        per_endpoint=True,
        per_transaction=True,
        of_speed=True,
        in_history=in_history,
        quantile=float(name[1:]) / 100,
    )


def _share_of_status(status: str) -> Metric:
    prefix = status.rstrip("x")

    def count(_kinds: Counts, statuses: Counts) -> int:
        return sum(number for code, number in statuses.items() if code.startswith(prefix))

    return _share(f"status {status}", f"responses with status {status}", count)


def _share_of_kinds(title: str, kinds: frozenset[str]) -> Metric:
    def count(counts: Counts, _statuses: Counts) -> int:
        return sum(number for kind, number in counts.items() if kind in kinds)

    return _share(title, title + " requests", count)


def _share(title: str, what: str, count: Callable[[Counts, Counts], int]) -> Metric:
    return Metric(
        title=title,
        unit="%",
        description=f"{what}, in percent of all requests",
        topic="errors",
        per_endpoint=True,
        share=count,
    )
