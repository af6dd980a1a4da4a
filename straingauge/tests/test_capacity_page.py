"""The page of a search for capacity."""

import json
import re
from dataclasses import asdict
from typing import Any

from browser_pages import CAPACITY
from straingauge.capacity import fit, page, summary

TOP = 12.0  # of a chart, in pixels


def search(points: list[tuple[float, float]]) -> dict[str, Any]:
    """A search with levels of these requests in flight and per second; the last one failed."""
    found: dict[str, Any] = json.loads(CAPACITY.read_bytes())
    law = fit(points)
    assert law is not None
    levels = [
        {**found["levels"][0], "level": rps, "concurrency": n, "throughput_rps": rps}
        for n, rps in points
    ]
    levels[-1] |= {"passed": False, "reasons": ["p95 900 ms"]}
    return {**found, "levels": levels, "capacity": points[0][1], "usl": asdict(law)}


def curve_heights(points: list[tuple[float, float]]) -> list[float]:
    """The heights of the fitted law on the page, in pixels from the top of its chart."""
    path = re.search(r'class="line fit" d="([^"]*)"', page(search(points)))
    assert path is not None
    return [float(y) for _, y in re.findall(r"[ML]([\d.]+) ([\d.-]+)", path[1])]


def test_the_fitted_law_is_not_cut():
    """The curve keeps its shape above the measurements, rather than run along the chart's edge."""
    heights = curve_heights([(1, 100), (2, 189), (3, 265), (4, 330), (5, 385)])
    assert len(heights) == 101
    assert TOP < min(heights) == heights[-1]  # 526/s with 10 in flight
    assert heights.count(min(heights)) == 1


def test_a_law_far_above_the_measurements_ends_at_the_edge():
    """The curve leaves the chart at twice the highest measurement."""
    heights = curve_heights([(1, 100), (2, 200), (4, 400), (11, 1100)])
    assert 50 < len(heights) < 101
    assert min(heights) >= TOP


def test_a_failed_level_is_a_cross():
    """Levels that failed differ from the others by their shape, not by colour alone."""
    html = page(search([(1, 100), (2, 195), (4, 370), (7, 590)]))
    assert html.count('<circle class="point passed"') == 6
    assert html.count('<path class="point failed"') == 2


def test_the_achieved_rate_is_beside_the_asked_one():
    """Table and summary have the rate that was reached as well as the one that was asked for."""
    found = search([(1, 100), (2, 195), (4, 370), (7, 590)])
    found["levels"][0]["throughput_rps"] = 97.4
    assert 'class="number">asked, /s</th><th scope="col" class="number">achieved, /s' in page(found)
    assert '<td class="number">100</td><td class="number">97.4</td>' in page(found)
    assert "capacity 100/s, confirmed 3/3, achieved 97.4/s" in summary(found)


def test_the_head_is_the_answer():
    """The first screen has the capacity, what was measured at it, and what limits it."""
    found: dict[str, Any] = json.loads(CAPACITY.read_bytes())
    head = page(found).partition("<main>")[0]
    assert "<h1>journeys carries 1,480/s</h1>" in head
    assert '<p class="sentence">Limit at 1,520/s: it does not keep up' in head
    assert re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)", head)[:1] == [("achieved rate", "1,457")]


def test_the_head_without_a_capacity_says_so():
    """A search whose lowest level failed has no capacity to claim."""
    found: dict[str, Any] = json.loads(CAPACITY.read_bytes())
    failed = {**found, "capacity": None, "highest_passed": None}
    assert "<h1>Capacity of journeys: none: the lowest level failed</h1>" in page(failed)
