"""The single requests that the exports of a load need apart from its counts and percentiles."""

from collections.abc import Sequence
from typing import Final

from straingauge.http.traceparent import Sampling

SAMPLES: Final = (".samples.jsonl", ".samples.csv")
"""Ends of the names of files with samples."""
SPANS: Final = "otlp-spans"
"""Format of URLs that receive spans."""


def sampling_for(names: Sequence[str]) -> Sampling:
    """Return what exports to these files and URLs need."""
    if any(name.lower().startswith(f"{SPANS}+") for name in names):
        return "spans"
    return "samples" if any(name.lower().endswith(SAMPLES) for name in names) else "none"
