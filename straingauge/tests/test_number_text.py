"""Numbers and amounts as text: three digits, separated thousands, words that agree with them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from straingauge.number_text import count, number, percent, plain, were
from straingauge.verdict import Thresholds, judge

import straingauge

SOURCE = Path(straingauge.__file__).parent
PLURALS = (
    "accounts|calls|connections|cores|deadlocks|endpoints|errors|events|files|jobs|journeys|levels"
    "|lines|pauses|processes|requests|responses|rows|samples|scans|statements|threads"
    "|users|values|warnings"
)
ADJECTIVES = "(?:effective|idle|more|open|other|sampled|sequential|slowest|temporary|traced) "
OWN_PLURAL = r"""== 1 else f?["']s["']|["']s["'] \*|[a-z]\((?:s|es)\)[ ,.:"']"""
MEASURED = ("number", "percent", "plain", "rate")
"""Helpers for means and rates, which are of no single thing."""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(0, "0"), (None, "-"), (8, "8.00"), (8.354, "8.35"), (9.996, "10.0"), (56.78, "56.8")],
        *[(99.96, "100"), (123.4, "123"), (14260.4, "14,260"), (0.1234, "0.123"), (0.9996, "1.00")],
        *[(0.01234, "0.0123"), (0.0000123, "0.0000123"), (-1234.5, "-1,234"), (-0.5, "-0.500")],
    ],
)
def test_a_measured_number_has_three_significant_digits(value: float | None, text: str):
    """Whole numbers keep all of theirs, with thousands separated; there is no exponent."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.40, "3.4"),
        (812.4, "812"),
        (14260.4, "14,260"),
        (999.9, "1,000"),
        (0.00001234, "0.0000123"),
    ],
)
def test_a_plain_number_has_no_zeros_at_its_end(value: float, text: str):
    """In sentences numbers are as short as their three digits allow."""
    assert plain(value, 3) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00%"),
        (0.5, "0.50%"),
        (0.0123, "0.0123%"),
        (4, "4.00%"),
        (12.34, "12.3%"),
        (100, "100%"),
    ],
)
def test_a_percentage_shows_few_errors_of_many_requests(value: float, text: str):
    """One error of 10,000 requests is not 0.00%."""
    assert percent(value) == text


def test_one_thing_is_singular():
    """The noun, and the verb after it, agree with the number that is shown."""
    assert [count(n, "request") for n in (0, 1, 2, 1234)] == [
        "0 requests",
        "1 request",
        "2 requests",
        "1,234 requests",
    ]
    assert count(1.2, "row is", "rows are") == "1 row is"
    assert count(2, "process", "processes") == "2 processes"
    assert [were(1), were(2)] == ["was", "were"]


@pytest.mark.parametrize(
    ("critical", "message"),
    [
        (12_000, "p95 14,260 ms, critical from 12,000 ms"),
        (14_260.4, "p95 14,260 ms, critical from 14,260 ms"),
        (50, "p95 14,260 ms, critical from 50 ms"),
    ],
)
def test_threshold_text_has_separated_thousands(critical: float, message: str):
    """A value and its limit are written as all other numbers are."""
    assert verdict_text(14_260.4, critical) == message


def test_a_value_beside_its_limit_is_told_from_it():
    """A value above its limit never looks like the limit, so it may have a fourth digit."""
    assert verdict_text(50.02, 50) == "p95 50.02 ms, critical from 50 ms"
    assert verdict_text(50, 50) == "p95 50 ms, critical from 50 ms"


def verdict_text(p95_ms: float, critical: float) -> str:
    """The message of a run that is critical by its p95."""
    table = {"all": {"p95_ms": {"target": 1, "warning": 2, "critical": critical}}}
    result = {
        "name": "load",
        "metrics": {
            "latency_ms": {"p95": p95_ms},
            "error_rate_percent": 0.0,
            "total_requests": 9,
            "rate_limited": 0,
        },
        "endpoints": {},
        "errors": {"kinds": {}},
        "validity": {"reasons": []},
    }
    verdict = judge(result, Thresholds.parse(table, source="a test"))  # type: ignore[arg-type]  # parts of a result
    return next(each.message for each in verdict.findings if each.rule == "p95_ms")


def test_sentences_use_one_helper_for_singular_and_plural():
    """No text has a number and then a plural, which reads "1 requests", nor decides by itself."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text("utf-8")
        name = path.relative_to(SOURCE).as_posix()
        if name != "number_text.py" and re.search(OWN_PLURAL, text):
            found.append(f"{name}: decides by itself")
        found += [f"{name}:{line}: {words}" for line, words in _fixed_plurals(ast.parse(text))]
    assert found == []


def _fixed_plurals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each number in an f-string that a plural follows."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant)):
                continue
            words = re.match(rf" (?:{ADJECTIVES})?(?:{PLURALS})\b", str(after.value))
            call = value.value
            is_measured = (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id in MEASURED
            )
            if words and not is_measured:
                yield node.lineno, f"{ast.unparse(value.value)}{words[0]}"
