"""Totals of loads, from their seconds."""

from dataclasses import replace

from straingauge.exports.second import EndpointSecond, Second


class RunningTotals:
    """Adds the seconds of each run, for formats that need everything since the start."""

    def __init__(self) -> None:
        self._totals: dict[str, Second] = {}

    def add(self, second: Second) -> Second:
        """Return the total of this second's load; a second from 0 begins another load."""
        before = self._totals.get(second.run) if second.start_s else None
        endpoints: dict[str, EndpointSecond] = {} if before is None else dict(before.endpoints)
        for name, each in second.endpoints.items():
            endpoints.setdefault(name, EndpointSecond()).add(each)
        total = self._totals[second.run] = replace(
            second,
            start_s=0.0,
            arrivals_due=second.arrivals_due + (before.arrivals_due if before else 0),
            arrivals_started=second.arrivals_started + (before.arrivals_started if before else 0),
            endpoints=dict(sorted(endpoints.items())),
        )
        return total
