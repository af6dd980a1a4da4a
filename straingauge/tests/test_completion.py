"""Completion of the command line in bash, zsh and fish."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from straingauge.cli import main

HOW_TO = Path(__file__).resolve().parents[2] / "docs/how-to/command-line.md"
ROW = re.compile(r"^\| (bash|zsh|fish) \| `[^`]+` \| `(.+)` \|$", re.MULTILINE)


def documented() -> list[tuple[str, str]]:
    """The shells of the documentation, each with the line for its start file."""
    return ROW.findall(HOW_TO.read_text())


def test_each_shell_has_a_documented_line():
    """The documentation names the line that switches completion on in each shell."""
    assert [shell for shell, _ in documented()] == ["bash", "zsh", "fish"]
    for shell, line in documented():
        assert f"_STRAINGAUGE_COMPLETE={shell}_source straingauge" in line


@pytest.mark.parametrize(
    ("words", "last", "expected"),
    [
        (["straingauge"], "repo", {"report"}),
        (["straingauge"], "c", {"capacity", "comment", "compare"}),
        (["straingauge", "run"], "--json", {"--json"}),
        (["straingauge", "schema"], "th", {"thresholds"}),
        (["straingauge", "run", "--connections"], "sh", {"shared"}),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, words: list[str], last: str, expected: set[str]):
    """Commands, options and their values are completed in bash, zsh and fish."""
    typed = " ".join([*words, last])
    at = last if shell == "fish" else str(len(words))
    environment = {
        "_STRAINGAUGE_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": typed,
        "COMP_CWORD": at,
    }
    done = CliRunner().invoke(main, env=environment, prog_name="straingauge")
    lines = done.stdout.splitlines()
    found = lines[1::3] if shell == "zsh" else [line.split(",")[1].split("\t")[0] for line in lines]
    assert expected <= set(found)
    assert all(each.startswith(last) for each in found)
