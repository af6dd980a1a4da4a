"""Histograms of a result, decoded for its charts."""

from collections.abc import Iterable, Mapping
from typing import Any

from straingauge.errors import UsageError
from straingauge.statistics.distribution import Distribution


def decoded(result: Mapping[str, Any], payloads: Iterable[str | None]) -> list[Distribution]:
    """Decode histograms of a result, which may come from a damaged file.

    Raises:
        UsageError: One of them cannot be decoded.
    """
    try:
        return [Distribution.decode(payload) for payload in payloads]
    except ValueError as error:
        raise UsageError(
            f"{result['name']}: a histogram in its result cannot be read: {error}",
            hint="the file was changed after it was written: run the load again",
        ) from error
