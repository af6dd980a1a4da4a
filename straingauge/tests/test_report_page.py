"""The page as a document: whole, harmless, and complete in what it says; without a browser."""

import base64
import copy
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from sample_results import ENDPOINTS, reported
from straingauge.cli import main
from straingauge.diagnosis import CAUSES
from straingauge.http import ErrorKind, RequestFailed
from straingauge.recording import Recorder
from straingauge.report.evidence import TITLES, explained
from straingauge.report.page import page
from straingauge.result.assembly.histograms import intervals
from straingauge.result.format import read, write

GOLDEN = sorted((Path(__file__).parent / "golden").glob("result-*.json"))
HOSTILE = """</script><script>alert(1)</script><img src=x onerror="alert(2)">'"&{{ 7*7 }}"""


class Document(HTMLParser):
    """The elements, ids, links and text of a page, as a browser's parser has them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> set[str]:
        """Targets of links within the page."""
        return {str(found["id"]) for _, found in self.elements if "id" in found}

    @property
    def text(self) -> str:
        """All texts together."""
        return " ".join(self.texts)


def words_of(html: str) -> str:
    """Return the text of a page in one line, without style and scripts."""
    html = re.sub(r"<(style|script)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(Document(html).text.split())


def test_nothing_of_a_result_becomes_markup():
    """Names of endpoints, runs and queries, errors and messages are shown, never executed."""
    result = reported(f"run {HOSTILE}", endpoints=[HOSTILE], trouble=True, words=HOSTILE)
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


def test_page_needs_nothing_but_itself():
    """No element loads anything, and a policy forbids what one could still add."""
    html = page([reported()])
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
    """Style, scripts and tables of a run take less than 500 kB; the charts' data comes on top."""
    html = page([reported()])
    assert len(re.sub(r'(?<=id="data">)[^<]*', "", html).encode()) < 500_000


def test_verdicts_come_first_and_validity_last():
    """The order is that of a reader: verdicts, diagnosis, charts, validity, environment."""
    html = page([reported(trouble=True)])
    parts = ['id="verdicts"', 'id="diagnosis"', 'id="r0-latency"', 'id="r0-validity"']
    places = [html.index(part) for part in [*parts, 'id="r0-environment"']]
    assert places == sorted(places)


def test_every_run_has_its_row_with_its_figures():
    """Each run's verdict is shown as text, with its statistics and what decided it."""
    said = words_of(page([reported("calm"), reported("stormy", trouble=True)]))
    assert "1 of 2 load tests crossed a critical threshold" in said
    row = said.partition("stormy")[2]
    assert "critical" in row
    assert "800" in row
    assert "p95_ms = " in row
    assert "All 2 load tests" not in said
    assert "All 2 load tests met" in words_of(page([reported("calm"), reported("quiet")]))


def test_evidence_leads_to_what_shows_it():
    """Each cause there is has places that show it, and each of them is on the page."""
    ids = Document(page([reported(trouble=True)])).ids
    assert {f"r0-{place}" for cause in CAUSES.values() for place in cause.charts} <= ids
    assert {f"r0-{place}" for place in TITLES} <= ids


def test_all_links_lead_somewhere():
    """No link within the page is dead, and causes are linked to the runs that show them."""
    results = [reported("same", minute=0), reported("same", minute=1, trouble=True)]
    document = Document(page(results))
    links = {str(found["href"]) for found in document.named("a")}
    assert {link[1:] for link in links} <= document.ids
    assert "#r1-errors" in links
    assert "#r0-errors" not in links


def test_every_cause_is_shown():
    """Whatever a diagnosis may name, the page shows with its evidence, advice and links."""
    result = reported(trouble=True)
    for cause in CAUSES:
        found = {"cause": cause, "title": CAUSES[cause].title, "confidence": 0.9}
        told = {"evidence": ["it was seen"], "advice": ["fix it"]}
        result["diagnosis"] = [{**found, **told}]
        (shown,) = explained([result], ["steady"])["causes"]
        assert shown["title"] == CAUSES[cause].title
        assert shown["places"][0]["links"]
        assert {key: shown[key] for key in told} == told
    said = words_of(page([result]))
    for words in (CAUSES[cause].title, "it was seen", "fix it"):
        assert words in said


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_old_files_are_shown(file: Path):
    """A result of any version becomes a page; what it lacks is said to be missing."""
    said = words_of(page([read(file)]))
    assert "Verdicts" in said


LACKING = [
    ("resources",),
    ("intervals",),
    ("diagnosis",),
    ("configuration",),
    ("environment",),
    *(("resources", name) for name in reported()["resources"]),
    *(("metrics", name) for name in ("slowest", "server_timing", "warmup", "stalls")),
    *(("endpoints", ENDPOINTS[0], name) for name in ("intervals", "histograms_ns")),
    ("endpoints", ENDPOINTS[0], "server_timing"),
]
SAID = {
    "intervals": "not kept",
    "histograms_ns": "not kept",
    **dict.fromkeys(
        ("resources", "samples", "database", "after", "slowest", "server_timing"), "not measured"
    ),
}


@pytest.fixture(scope="module")
def complete() -> str:
    """The page of a run of which everything is known."""
    return page([reported()])


@pytest.mark.parametrize("path", LACKING, ids="/".join)
@pytest.mark.parametrize("how", ["missing", "null"])
def test_what_was_not_measured_is_no_failure(complete: str, path: tuple[str, ...], how: str):
    """Without any one part of a result there is a page, and it says what is not there."""
    result = copy.deepcopy(reported())
    table = result
    for name in path[:-1]:
        table = table[name]
    if how == "missing":
        del table[path[-1]]
    else:
        table[path[-1]] = None
    html = page([result])
    assert "met every target" in words_of(html)
    words = SAID.get(path[-1])
    assert words is None or html.count(words) > complete.count(words)


def test_a_run_in_which_nothing_was_answered():
    """Without a response, rate and errors are drawn, and the other charts say why they are not."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    sink.add_failure(0, 0, 0, 10, RequestFailed(ErrorKind.REFUSED, "refused"))
    (row,) = intervals(recorder.snapshot().total("main"))
    assert (row["requests"], row["errors"], row["histogram_ns"]) == (1, 1, None)
    result = reported()
    result["intervals"] = [row]
    html = page([result])
    assert '"placeholder":"no response"' in html


def test_no_secret_is_shown():
    """Secrets are hidden in a page that is made before the result file."""
    result = reported(trouble=True, words="Bearer abcdef123456")
    assert "abcdef123456" not in page([result])


def test_command_writes_page_and_markdown(tmp_path: Path):
    """`straingauge report -o` writes what the name says, and says where; else it is wrong usage."""
    file = write(reported(), tmp_path)
    for name, beginning in (("new/report.html", "<!doctype html>"), ("report.md", "## Load tests")):
        done = CliRunner().invoke(main, ["report", str(file), "-o", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert f"report   {tmp_path / name}" in done.output
        assert (tmp_path / name).read_text().startswith(beginning)
    wrong = CliRunner().invoke(main, ["report", str(file), "-o", str(tmp_path / "report.pdf")])
    assert wrong.exit_code == 2
    assert not (tmp_path / "report.pdf").exists()
