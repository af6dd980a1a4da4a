"""New measurements of one second of a load."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from straingauge.histogram import Histogram
from straingauge.recording.request_samples import RequestSample

PERCENTILES: Final = (50, 95, 99)


@dataclass(slots=True)
class EndpointSecond:
    """The requests of one endpoint that were recorded in one second.

    Attributes:
        requests: All of them, with any outcome.
        rate_limited: Those that the service refused by a rate limit.
        statuses: Responses by status.
        errors: Failures by kind; they include exceptions of journeys, which are no requests.
        response: Response times of served requests, exact to the histogram's buckets.
    """

    requests: int = 0
    rate_limited: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    response: Histogram = field(default_factory=Histogram)

    def add(self, other: "EndpointSecond") -> None:
        """Add the requests of another one."""
        self.requests += other.requests
        self.rate_limited += other.rate_limited
        self.statuses += other.statuses
        self.errors += other.errors
        self.response.merge(other.response)

    def figures(self) -> dict[str, Any]:
        """Return the counts and the percentiles in ms, by their names in exported files."""
        times = self.response
        quantiles_ns = {rank: times.quantile_ns(rank / 100) for rank in PERCENTILES}
        return {
            "requests": self.requests,
            "rate_limited": self.rate_limited,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "errors": dict(sorted(self.errors.items())),
            **{
                f"p{rank}_ms": None if value_ns is None else round(value_ns / 1e6, 3)
                for rank, value_ns in quantiles_ns.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Second:
    """One second of a load, or a longer time if the machine was too busy to export each.

    A request counts in the second in which it was recorded, so that the sums over all seconds are
    the totals of the main phase.

    Attributes:
        run: Name of the run.
        time: Unix time of its end, in seconds.
        start_s, end_s: Its start and end, in seconds after the start of the load.
        users: Users that run a journey at its end.
        arrivals_due: Arrivals of journeys that became due.
        arrivals_started: Journeys that were started.
        endpoints: The endpoints with requests or errors, by name.
        server_cpu_percent: CPU time of the service in percent of one core; None if unknown.
        server_rss_bytes: Resident memory of the service; None if unknown.
        samples: Single requests that were recorded; empty unless an export has them.
    """

    run: str
    time: float
    start_s: float
    end_s: float
    users: int
    arrivals_due: int
    arrivals_started: int
    endpoints: dict[str, EndpointSecond]
    server_cpu_percent: float | None = None
    server_rss_bytes: float | None = None
    samples: tuple[RequestSample, ...] = ()
