"""Metrics of a running load in the text format of Prometheus."""

from types import SimpleNamespace

import pytest
from made_load import MadeLoad
from straingauge.exports import MetricsPage, metrics_page
from straingauge.observe import Observations
from straingauge.result.assembly import compose
from straingauge.runner.live_page import metrics_route
from straingauge.runner.live_run import LiveRun
from straingauge.workers import MergedReports

parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus_client")

LABELS = {"run": "load"}


def made() -> MergedReports:
    """Reports of a load with all outcomes."""
    load = MadeLoad()
    load.requests("p1", 'GET /a"b\\c', 10, 5)
    load.requests("p2", 'GET /a"b\\c', 20, 700)
    load.requests("p2", "POST /b", 4, 2, status=429)
    load.requests("p2", "POST /b", 5, 2, status=0)
    samples = [{"t_ns": n * 1e9, "cpu_s": n * 0.5, "rss_bytes": 1e8} for n in (1, 2)]
    load.observations = Observations(samples=samples)
    return load.merged(2.0)


def read(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the samples as Prometheus's client reads them, by name and labels."""
    samples = [
        each for family in parser.text_string_to_metric_families(text) for each in family.samples
    ]
    found = {(each.name, tuple(sorted(each.labels.items()))): each.value for each in samples}
    assert len(found) == len(samples)
    return found


def value(text: str, name: str, **labels: str) -> float:
    """Return one sample."""
    return read(text)[f"straingauge_{name}", tuple(sorted({**LABELS, **labels}.items()))]


def total(text: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of a metric that have these labels."""
    return sum(
        number
        for (metric, found), number in read(text).items()
        if metric == f"straingauge_{name}" and labels.items() <= dict(found).items()
    )


def test_metrics_are_the_totals_of_the_result():
    """Requests, statuses, errors and response times are exactly those of the result so far."""
    merged = made()
    text, result = MetricsPage(lambda: merged).text(), compose(merged)
    for name, each in result["endpoints"].items():
        assert total(text, "requests_total", endpoint=name) == each["total_requests"]
        assert total(text, "rate_limited_requests_total", endpoint=name) == each["rate_limited"]
    for status, count in result["status_codes"].items():
        assert total(text, "requests_total", status=status) == count
    for kind, count in result["errors"]["kinds"].items():
        assert total(text, "errors_total", kind=kind) == count
    assert total(text, "requests_total", status="none") == 9
    assert value(text, "arrivals_due_total") == 41
    assert value(text, "arrivals_started_total") == 39
    assert value(text, "users") == 4
    assert value(text, "server_cpu_ratio") == 0.5
    assert value(text, "server_resident_memory_bytes") == 1e8


def test_response_times_are_a_histogram():
    """The buckets are cumulative, in seconds, and end with all served requests."""
    merged = made()
    text = MetricsPage(lambda: merged).text()
    labels = {"endpoint": 'GET /a"b\\c'}
    buckets = {
        limit: value(text, "response_time_seconds_bucket", le=limit, **labels)
        for limit in ("0.0025", "0.005", "0.0075", "0.5", "0.75", "60", "+Inf")
    }
    assert buckets == {
        "0.0025": 0,
        "0.005": 10,
        "0.0075": 10,
        "0.5": 10,
        "0.75": 30,
        "60": 30,
        "+Inf": 30,
    }
    assert value(text, "response_time_seconds_count", **labels) == 30
    assert value(text, "response_time_seconds_sum", **labels) == pytest.approx(14.05)


def test_nothing_before_the_load():
    """The page is empty, and valid, before the load has begun."""
    assert MetricsPage(lambda: None).text() == ""
    assert MetricsPage(lambda: MergedReports(())).text() == ""


def test_scrapes_take_little_of_the_time(monkeypatch: pytest.MonkeyPatch):
    """A page that took a second to make is served again for 20 s, so that it takes 5 % at most."""
    clock, made_at_s = SimpleNamespace(now_s=100.0), list[float]()

    def merged() -> MergedReports:
        made_at_s.append(clock.now_s)
        clock.now_s += 1.0
        return made()

    monkeypatch.setattr(metrics_page, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    page = MetricsPage(merged)
    first = page.text()
    for at_s in (101.0, 119.0, 120.5):
        clock.now_s = at_s
        assert page.text() == first
    assert made_at_s == [100.0, 120.5]


def test_live_page_has_metrics():
    """The route of the live page returns them, with the media type of the format."""
    run = LiveRun()
    run.watch("load", made())
    reply = metrics_route(run).call({})
    assert (reply.status, reply.mimetype) == (200, "text/plain; version=0.0.4")
    assert isinstance(reply.body, str)
    assert total(reply.body, "requests_total") == 39
