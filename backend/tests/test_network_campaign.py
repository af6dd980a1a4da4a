"""`make network`: the goals that a load has missed, and its table."""

from typing import Any

import pytest
from campaigns.namespaces import INSIDE
from campaigns.network import link
from campaigns.network.__main__ import main
from campaigns.network.faults import ALL
from campaigns.network.goals import missed_goals
from campaigns.network.table import TABLE, row
from campaigns.network.trial import Load


def load(
    cause: str = "packets_lost",
    *,
    exit_code: int | None = 1,
    responses: int = 1000,
    kinds: dict[str, int] | None = None,
    p50_ms: float = 120.0,
    invalid: str = "",
) -> Load:
    """Return a load of 1,400 requests."""
    result: dict[str, Any] = {
        "metrics": {"total_requests": 1400, "latency_ms": {"p50": p50_ms, "max": 2009.0}},
        "errors": {"kinds": {"timeout": 390, "connect_timeout": 10} if kinds is None else kinds},
        "status_codes": {"200": responses},
        "endpoints": {"GET /hello": {}},
        "diagnosis": [{"cause": cause}],
        "resources": {"generator": {"sent": 1390, "processes": {"a": {"reconnects": 0}}}},
        "validity": {"reasons": [{"severity": "invalid", "reason": invalid}] if invalid else []},
    }
    return Load(exit_code, result, received=1300, answered=1290)


@pytest.mark.parametrize(
    ("fault", "outcome", "missed"),
    [
        ("link-down", load(), []),
        ("link-down", load("endpoint_errors"), ["first cause"]),
        ("link-down", load(responses=999), ["nothing lost"]),
        ("link-down", load(responses=1350, kinds={"timeout": 50}), ["nothing lost"]),
        ("link-down", load(exit_code=0), ["verdict"]),
        ("link-down", load(exit_code=4, invalid="generator_late"), []),
        ("link-down", load(exit_code=4, invalid="no_data"), ["verdict"]),
        ("link-down", load(kinds={"bad_status": 400}), ["kinds"]),
        ("link-down", load(exit_code=None), ["ended in time"]),
        ("link-down", Load(2), ["result"]),
        ("none", load(exit_code=0, responses=1400, kinds={}), ["nothing lost"]),
        ("delay", load(exit_code=0, p50_ms=99.0), ["kinds", "times"]),
    ],
)
def test_missed_goals_are_named(fault: str, outcome: Load, missed: list[str]):
    """A lost request, an unexpected kind, a wrong verdict or cause, and a hang are missed goals."""
    assert missed_goals(ALL[fault], outcome) == missed


def test_table_shows_what_was_missed():
    """A row fits a terminal, and a second line names the missed goals."""
    result = row(ALL["link-down"], [load(), load("freeze")])
    first, second = TABLE.line(result).split("\n")
    assert len(first) == len(TABLE.header()) == 80
    assert second == "  missed: first cause 1 of 2"


def test_machine_without_namespaces_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A sentence says why no namespace can be made, and nothing starts."""
    monkeypatch.delenv(INSIDE, raising=False)
    monkeypatch.setattr(link, "missing", lambda: "there is no nft: apt install nftables")
    assert main(["--only", "loss"]) == 2
    assert capsys.readouterr().err == "make network: there is no nft: apt install nftables\n"
