"""The report as a document: complete, self-contained and safe; no browser needed."""

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from inside_results import inside_result
from sample_results import ENDPOINTS, sample_result
from straingauge.cli import main
from straingauge.diagnosis import CAUSES
from straingauge.errors import UsageError
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Recorder
from straingauge.report.evidence import INSIDE, TITLES, explained
from straingauge.report.page import page
from straingauge.result.assembly.histograms import intervals
from straingauge.result.format import read, write

GOLDEN = sorted((Path(__file__).parent / "golden").glob("result-*.json"))
HOSTILE = """</script><script>alert(1)</script><img src=x onerror="alert(2)">'"&{{ 7*7 }}"""


class Document(HTMLParser):
    """Elements, ids, links and text of a page, as a browser's parser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Add an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Add a text."""
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element with this tag."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> set[str]:
        """Ids of all elements, the targets of links."""
        return {str(found["id"]) for _, found in self.elements if "id" in found}

    @property
    def text(self) -> str:
        """All texts, joined."""
        return " ".join(self.texts)


def text_of(html: str) -> str:
    """Return the text of a page in one line, without style and scripts."""
    html = re.sub(r"<(style|script)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(Document(html).text.split())


def test_a_name_breaks_between_its_words():
    """On a narrow screen a name breaks after an underscore or a slash; markup in it stays text."""
    shown = page([sample_result("rate_limit"), sample_result("a_<b>", endpoints=["GET /me/notes"])])
    assert ">rate_<wbr>limit</a>" in shown
    assert ">a_<wbr>&lt;b&gt;</a>" in shown
    assert "GET /<wbr>me/<wbr>notes</label>" in shown


def test_markup_in_results_is_escaped():
    """Markup in endpoints, runs, queries, errors and messages is shown as text."""
    result = sample_result(f"run {HOSTILE}", endpoints=[HOSTILE], trouble=True, message=HOSTILE)
    result["verdict"]["findings"][0]["message"] = HOSTILE
    result["resources"]["database"]["statements"] = [
        {"query": HOSTILE, "calls": 1, "mean_ms": 1, "rows": 1, "calls_per_request": 1, "share": 1}
    ]
    result["metrics"]["slowest"][0]["request_id"] = HOSTILE
    result["configuration"][HOSTILE] = HOSTILE
    document = Document(page([result]))
    assert len(document.named("script")) == 2
    assert not document.named("img")
    for tag, attributes in document.elements:
        assert not [name for name in attributes if name.startswith("on")], tag
    assert document.text.count(HOSTILE) >= 7


def test_the_page_is_self_contained():
    """No element loads anything, and the content security policy forbids it."""
    html = page([sample_result()])
    document = Document(html)
    for tag, attributes in document.elements:
        addresses = {name: attributes.get(name) for name in ("src", "href", "action", "srcset")}
        for address in filter(None, addresses.values()):
            assert address.startswith(("#", "data:")), (tag, address)
    assert "url(" not in html
    assert "@import" not in html
    policy = document.named("meta")[-1]["content"] or ""
    assert policy.startswith("default-src 'none'")
    script = html.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_page_without_data_is_small():
    """Style, scripts and tables take less than 500 kB, without the charts' data."""
    html = page([sample_result()])
    assert len(re.sub(r'(?<=id="data">)[^<]*', "", html).encode()) < 500_000


def test_order_of_sections():
    """Verdicts are followed by diagnosis, charts, validity and environment."""
    html = page([sample_result(trouble=True)])
    parts = ['id="verdicts"', 'id="diagnosis"', 'id="r0-latency"', 'id="r0-validity"']
    positions = [html.index(part) for part in [*parts, 'id="r0-environment"']]
    assert positions == sorted(positions)


def test_the_table_has_a_row_per_run():
    """Each run has its verdict, metrics and deciding threshold."""
    text = text_of(page([sample_result("calm"), sample_result("stormy", trouble=True)]))
    assert "1 of 2 load tests crossed a critical threshold" in text
    row = text.partition("stormy")[2]
    assert "critical" in row
    assert "800" in row
    assert "p95 761 ms, critical from 400 ms" in row
    assert "All 2 load tests" not in text
    assert "All 2 load tests met" in text_of(page([sample_result("calm"), sample_result("quiet")]))


def test_evidence_links_to_existing_sections():
    """Each chart and section that a cause links to is on the page."""
    ids = Document(page([inside_result()])).ids
    assert {f"r0-{section}" for cause in CAUSES.values() for section in cause.charts} <= ids
    assert {f"r0-{section}" for section in TITLES} <= ids


def test_sections_without_data_are_omitted():
    """Profile, traces and plans are on the page only if a run has them, and nothing links there."""
    document = Document(page([sample_result(trouble=True)]))
    assert not {f"r0-{section}" for section in INSIDE} & document.ids
    both = Document(page([sample_result(), inside_result(name="inside")]))
    assert {f"r{n}-{section}" for section in INSIDE for n in (0, 1)} <= both.ids
    assert "flame_graph" in page([inside_result()])
    assert "class FlameGraph" not in page([sample_result()])


def test_no_link_is_dead():
    """Each link has a target, and causes link to the runs that have them."""
    results = [sample_result("same", minute=0), sample_result("same", minute=1, trouble=True)]
    document = Document(page(results))
    links = {str(found["href"]) for found in document.named("a")}
    assert {link[1:] for link in links} <= document.ids
    assert "#r1-errors" in links
    assert "#r0-errors" not in links


def test_every_cause_is_shown():
    """Each known cause is shown with evidence, advice and links."""
    result = sample_result(trouble=True)
    for cause in CAUSES:
        found = {"cause": cause, "title": CAUSES[cause].title, "confidence": 0.9}
        details = {"evidence": ["it was seen"], "advice": ["fix it"]}
        result["diagnosis"] = [{**found, **details}]
        (shown,) = explained([result], ["steady"])["causes"]
        assert shown["title"] == CAUSES[cause].title
        assert shown["places"][0]["links"]
        assert {key: shown[key] for key in details} == details
    text = text_of(page([result]))
    for words in (CAUSES[cause].title, "it was seen", "fix it"):
        assert words in text


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_files_are_shown(file: Path):
    """Each golden result becomes a page."""
    text = text_of(page([read(file)]))
    assert "Verdicts" in text


OPTIONAL_PARTS = [
    ("resources",),
    ("intervals",),
    ("diagnosis",),
    ("configuration",),
    ("environment",),
    *(("resources", name) for name in sample_result()["resources"]),
    *(("metrics", name) for name in ("slowest", "server_timing", "warmup", "stalls")),
    *(("endpoints", ENDPOINTS[0], name) for name in ("intervals", "histograms_ns")),
    ("endpoints", ENDPOINTS[0], "server_timing"),
]
PLACEHOLDERS = {
    "intervals": "not kept",
    "histograms_ns": "not kept",
    **dict.fromkeys(
        ("resources", "samples", "database", "after", "slowest", "server_timing"), "not measured"
    ),
}


@pytest.fixture(scope="module")
def complete() -> str:
    """Return the page of a complete result."""
    return page([sample_result()])


@pytest.mark.parametrize("path", OPTIONAL_PARTS, ids="/".join)
@pytest.mark.parametrize("kind", ["missing", "null"])
def test_results_may_lack_any_part(complete: str, path: tuple[str, ...], kind: str):
    """A page can be made without any one part of a result, and says what was not measured."""
    result = copy.deepcopy(sample_result())
    table = result
    for name in path[:-1]:
        table = table[name]
    if kind == "missing":
        del table[path[-1]]
    else:
        table[path[-1]] = None
    html = page([result])
    assert "met every target" in text_of(html)
    words = PLACEHOLDERS.get(path[-1])
    assert words is None or html.count(words) > complete.count(words)


@pytest.mark.parametrize("payload", ["AAAA", "not base64"])
@pytest.mark.parametrize("part", ["interval", "endpoint"])
def test_a_damaged_histogram_is_an_error(payload: str, part: str):
    """A histogram that cannot be decoded is an error that names the run, not a traceback."""
    result = copy.deepcopy(sample_result("quick"))
    if part == "interval":
        result["intervals"][0]["histogram_ns"] = payload
    else:
        result["endpoints"][ENDPOINTS[0]]["histograms_ns"]["service"] = payload
    with pytest.raises(UsageError, match="quick: a histogram in its result cannot be read"):
        page([result])


def test_a_run_without_responses():
    """Without a response, rate and errors are drawn, and the other charts have a placeholder."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    sink.add_failure(0, 0, 0, 10, RequestFailed(ErrorKind.REFUSED, "refused"))
    (row,) = intervals(recorder.snapshot().total("main"))
    assert (row["requests"], row["errors"], row["histogram_ns"]) == (1, 1, None)
    result = sample_result()
    result["intervals"] = [row]
    html = page([result])
    assert '"placeholder":"no response"' in html


def test_no_secret_is_shown():
    """Secrets are hidden, even if the page is made before the result file."""
    result = sample_result(trouble=True, message="Bearer abcdef123456")
    assert "abcdef123456" not in page([result])


def test_the_command_writes_a_page_or_markdown(tmp_path: Path):
    """`straingauge report -o` writes the format of the suffix; any other suffix is refused."""
    file = write(sample_result(), tmp_path)
    for name, start in (("new/report.html", "<!doctype html>"), ("report.md", "## Load tests")):
        done = CliRunner().invoke(main, ["report", str(file), "-o", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert f"report   {tmp_path / name}" in done.output
        assert (tmp_path / name).read_text().startswith(start)
    refused = CliRunner().invoke(main, ["report", str(file), "-o", str(tmp_path / "report.pdf")])
    assert refused.exit_code == 2
    assert not (tmp_path / "report.pdf").exists()
