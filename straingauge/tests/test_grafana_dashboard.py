"""The Grafana dashboard, whose queries find what /metrics gives."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_load import MadeLoad
from straingauge.exports import MetricsPage
from straingauge.observe import Observations

parser = pytest.importorskip("prometheus_client.parser", reason="needs prometheus_client")

DASHBOARD = json.loads(
    (Path(__file__).resolve().parents[2] / "deploy/grafana/straingauge.json").read_text()
)
RUN = DASHBOARD["templating"]["list"][1]
QUERIES = [
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
    RUN["query"]["query"],
]
SAMPLE = re.compile(r"\b(straingauge_\w+)(?:\{([^}]*)\})?")
GROUPS = re.compile(r"\bby \(([^)]*)\)")


@pytest.fixture(scope="module")
def served() -> dict[str, set[str]]:
    """The labels of each sample that /metrics gives for a load with everything, by name."""
    load = MadeLoad()
    load.requests("p1", "GET /a", 10, 5)
    load.requests("p1", "GET /a", 4, 2, status=429)
    load.requests("p1", "GET /a", 5, 2, status=0)
    samples = [{"t_ns": n * 1e9, "cpu_s": n * 0.5, "rss_bytes": 1e8} for n in (1, 2)]
    load.observations = Observations(samples=samples)
    merged = load.merged(2.0)
    found: dict[str, set[str]] = {}
    for family in parser.text_string_to_metric_families(MetricsPage(lambda: merged).text()):
        for each in family.samples:
            found.setdefault(each.name, set()).update(each.labels)
        if family.type == "histogram":  # remote write and OTLP send native ones
            found[family.name] = found[f"{family.name}_count"]
    return found


def parts(query: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric of a query with the labels that are used of it."""
    for side in query.split(" or "):
        grouped = {each.strip() for group in GROUPS.findall(side) for each in group.split(",")}
        for name, matchers in SAMPLE.findall(side):
            yield name, grouped | set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', matchers))


@pytest.mark.parametrize("query", QUERIES)
def test_query_finds_what_is_served(query: str, served: dict[str, set[str]]):
    """Each metric of a query, and each label that it selects or groups by, is in /metrics."""
    found = [*parts(query)]
    assert found
    for name, labels in found:
        assert name in served
        assert labels <= served[name]
    assert re.findall(r"label_values\((\w+), (\w+)\)", RUN["query"]["query"]) == [
        ("straingauge_users", "run")
    ]


def test_all_metrics_are_shown(served: dict[str, set[str]]):
    """Each metric of /metrics is in a panel."""
    shown = {name for query in QUERIES for name, _ in parts(query)}
    left = {name for name in served if not name.endswith(("_count", "_sum"))} - shown
    assert left == set()


def test_legends_name_labels_of_their_query():
    """A legend names only labels that its query groups by; panels and variables have a source."""
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = {
                each.strip() for g in GROUPS.findall(target["expr"]) for each in g.split(",")
            }
            assert used <= grouped
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
