"""The Universal Scalability Law, fitted to measurements.

    X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1))

X is the throughput with N requests in flight, lambda that of one request at a time, sigma the
serialized share (contention), kappa the cost of coordination (coherency): Gunther, Guerrilla
Capacity Planning, Springer 2007, chapter 4, and arXiv:0808.1431. N is measured as throughput times
mean response time (Little, Operations Research 9 (1961) 383), so that the law fits an arrival rate
as well as a number of users.

Rearranged, the law is linear in its coefficients:

    N / X = a + b (N - 1) + c N (N - 1),   a = 1 / lambda, b = sigma / lambda, c = kappa / lambda

Each equation has the weight X / N, so that relative errors count. No coefficient is negative: of
the least-squares fits with some of b and c at 0, the best is taken (Lawson & Hanson, Solving Least
Squares Problems, 1974, chapter 23, by trying all four).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_POINTS: Final = 4  # one more than there are coefficients
# With fewer requests in flight, none meets another, and times are those of an idle machine.
LEAST_CONCURRENCY: Final = 0.5


@dataclass(frozen=True, slots=True)
class UslFit:
    """A fitted law.

    Attributes:
        lambda_rps: lambda, in requests per second.
        contention: sigma.
        coherency: kappa.
        error_percent: Root mean square of the relative errors of X.
        peak_rps: Highest throughput by the law; None if it has none (sigma = kappa = 0).
        peak_concurrency: Requests in flight at the peak; None if it is only approached.
        peak_low_rps, peak_high_rps: Lowest and highest peak without one of the points (jackknife).
    """

    lambda_rps: float
    contention: float
    coherency: float
    error_percent: float
    peak_rps: float | None
    peak_concurrency: float | None
    peak_low_rps: float | None = None
    peak_high_rps: float | None = None

    def throughput_rps(self, concurrency: float) -> float:
        """Predict the throughput with that many requests in flight."""
        return self.lambda_rps * concurrency / self.slowdown(concurrency)

    def slowdown(self, concurrency: float) -> float:
        """The denominator of the law: above 0 with at least one request in flight."""
        others = concurrency - 1
        return 1 + self.contention * others + self.coherency * concurrency * others


def fit(points: Sequence[tuple[float, float]]) -> UslFit | None:
    """Fit the law to points of (requests in flight, requests per second).

    Points below `LEAST_CONCURRENCY` are used only if the others are too few. None with fewer points
    than `LEAST_POINTS`, or if all have the same concurrency.
    """
    usable = [(n, x) for n, x in points if n > 0 and x > 0]
    met = [(n, x) for n, x in usable if n >= LEAST_CONCURRENCY]
    usable = met if len(met) >= LEAST_POINTS else usable
    if len(usable) < LEAST_POINTS or np.ptp([n for n, _ in usable]) == 0:
        return None
    usl = _least_squares(usable)
    if usl is None:
        return None
    peaks = [
        other.peak_rps
        for left_out in range(len(usable))
        if (other := _least_squares([*usable[:left_out], *usable[left_out + 1 :]])) is not None
        and other.peak_rps is not None
    ]
    return UslFit(
        usl.lambda_rps,
        usl.contention,
        usl.coherency,
        usl.error_percent,
        usl.peak_rps,
        usl.peak_concurrency,
        min(peaks, default=None),
        max(peaks, default=None),
    )


def _least_squares(points: Sequence[tuple[float, float]]) -> UslFit | None:
    n, x = np.array(points, dtype=np.float64).T
    weight = x / n
    columns = np.stack((np.ones_like(n), n - 1, n * (n - 1)), axis=1) * weight[:, None]
    best: tuple[float, Floats] | None = None
    for used in ((0,), (0, 1), (0, 2), (0, 1, 2)):  # the simplest first: it wins a tie
        found = np.zeros(3)
        found[list(used)] = np.linalg.lstsq(columns[:, used], np.ones_like(n), rcond=None)[0]
        off = float(((columns @ found - 1) ** 2).sum())
        if found[0] > 0 and (found >= 0).all() and (best is None or off < best[0] - 1e-12):
            best = off, found
    return None if best is None else _make_fit(best[1], n, x)


def _make_fit(found: Floats, n: Floats, x: Floats) -> UslFit:
    a, b, c = found.tolist()
    rate, sigma, kappa = 1 / a, b / a, c / a
    predicted = n / (a + b * (n - 1) + c * n * (n - 1))
    error = float(np.sqrt(np.mean((predicted / x - 1) ** 2)))
    peak_rps = peak_concurrency = None
    if kappa > 0:
        peak_concurrency = sqrt(max(1 - sigma, 0.0) / kappa)
        at = max(peak_concurrency, 1.0)
        peak_rps = rate * at / (1 + sigma * (at - 1) + kappa * at * (at - 1))
    elif sigma > 0:
        peak_rps = rate / sigma  # approached, never reached (Amdahl)
    return UslFit(rate, sigma, kappa, 100 * error, peak_rps, peak_concurrency)
