"""The language of documentation, docstrings, comments and messages: plain, standard English.

`WORDS` and `OPENINGS` are the house rules of `CONTRIBUTING.md`, section "Language".
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WORDS = {
    r"till": "until",
    r"besides": "also, in addition, as well",
    r"anew": "again",
    r"nobody(?!@)": "no one, or name who",
    r"so many": "the number itself, or `this many`",
    r"at rest": "idle, without load",
    r"look(s|ed|ing)? on": "watch, observe",
    r"of (one's|its|their|your|our) own": "its own ..., a separate ...",
    r"told": "reported, given, said",
    r"under way": "in flight, running",
    r"left out|passed over": "skipped",
    r"figures": "statistics, numbers, values",
    r"whoever|anybody|somebody": "name who",
    r"in vain": "without effect",
    r"mend(s|ed)?": "fix, correct",
}
"""Words that the project does not use, as regular expressions, and what to write instead."""

OPENINGS = re.compile(r"(What|Whether|Where|Who|How)\b")
"""Words that do not begin a docstring: use an imperative or a noun phrase."""

IGNORED = {
    "straingauge/tests/test_plain_english.py": "it lists the words",
    "docs/faults.md": "the output of a recorded run",
    "docs/faults-foreign.md": "the output of recorded runs",
}
"""Files that are not checked, and the reason."""

TEXT = {".md", ".html", ".js", ".css", ".toml", ".yml", ".yaml", ".txt", ".ini", ""}
BANNED = re.compile(rf"\b({'|'.join(WORDS)})\b".replace(" ", r"\s+"), re.IGNORECASE)

BETWEEN_LITERALS = re.compile(r"""["']\s*[rbf]*["']|\\\n""")
QUOTED_OPENING = re.compile(rf"""["']\s*(\\\n\s*)?{OPENINGS.pattern}""")

Line = tuple[int, str]


def violations(name: str, text: str) -> Iterator[str]:
    """Yield each violation in a file, as `name:line: words`."""
    if name.endswith(".py") and not may_violate(text):
        return
    nodes = list(ast.walk(ast.parse(text))) if name.endswith(".py") else None
    for first, part in [(1, text)] if nodes is None else prose_of_python(text, nodes):
        for match in BANNED.finditer(part):
            line = first + part[: match.start()].count("\n")
            yield f"{name}:{line}: {' '.join(match[0].split())}"
    for line, opening in first_lines(nodes or ()):
        if OPENINGS.match(opening):
            yield f"{name}:{line}: {opening}"


def may_violate(source: str) -> bool:
    """Return False for Python code without a banned word or opening, which needs no parsing."""
    joined = BETWEEN_LITERALS.sub("", source)
    return bool(BANNED.search(joined) or BANNED.search(source) or QUOTED_OPENING.search(source))


def prose_of_python(source: str, nodes: Iterable[ast.AST]) -> Iterator[Line]:
    """Yield the string literals that consist of several words, and comments if any may matter."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    if not BANNED.search(source):  # the text of a comment stands in the source as it is
        return
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def first_lines(nodes: Iterable[ast.AST]) -> Iterator[Line]:
    """Yield the first line of each docstring, also of those below constants and attributes."""
    for node in nodes:
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.lineno, value.value.strip().partition("\n")[0]


def tracked(area: str) -> list[str]:
    """Return the text files of an area, relative to the root."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", "--", area],
        capture_output=True,
        text=True,
        check=True,
    )
    names = filter(None, listed.stdout.split("\0"))
    return [name for name in names if Path(name).suffix in TEXT | {".py"} and name not in IGNORED]


AREAS = sorted({name.partition("/")[0] for name in tracked(".")})


@pytest.mark.parametrize("area", AREAS)
def test_the_language_is_plain(area: str):
    """No banned word and no banned opening in the files of an area."""
    found = [
        problem
        for name in tracked(area)
        if (ROOT / name).is_file()
        for problem in violations(name, (ROOT / name).read_text())
    ]
    assert found == []


def test_all_areas_are_checked():
    """Documentation, templates, sources and tests of both projects are among the areas."""
    assert {"README.md", "Makefile", "backend", "benchmarks", "docs", "straingauge"} <= set(AREAS)
    names = tracked("straingauge")
    assert {Path(name).suffix for name in names} >= {".py", ".html", ".js", ".css", ".md"}


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.md", "Wait.\nIt runs till it ends.", ["a.md:2: till"]),
        ("a.md", "# So\nmany", ["a.md:1: So many"]),
        ("a.md", "A pool of its own, judged anew.", ["a.md:1: of its own", "a.md:1: anew"]),
        ("Makefile", "test: ## So many tests", ["Makefile:1: So many"]),
        ("a.html", "<p>Nobody looks on</p>", ["a.html:1: Nobody", "a.html:1: looks on"]),
        ("a.py", "x = 1  # at rest\n", ["a.py:1: at rest"]),
        ("a.py", 'def f():\n    """Whether it runs."""\n', ["a.py:2: Whether it runs."]),
        ("a.py", 'class A:\n    b: int\n    """How many."""\n', ["a.py:3: How many."]),
        ("a.py", 'print(f"{1} as told")\n', ["a.py:1: told"]),
        ("a.py", 'print("""\n\nas told""")\n', ["a.py:3: told"]),
        ("a.py", 'x = ("so "\n     "many")\n', ["a.py:1: so many"]),
        ("a.py", 'told = {"told": 1}\n', []),
        ("a.py", '"""Stop and restart; a whatnot, distilled."""\n', []),
    ],
)
def test_violations_are_found(name: str, text: str, found: list[str]):
    """Each kind of violation is found in its line, and names and other words are left alone."""
    assert list(violations(name, text)) == found
