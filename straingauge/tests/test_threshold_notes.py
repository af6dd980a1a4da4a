"""Notes of thresholds that no measurement met."""

from pathlib import Path

from straingauge.verdict import Thresholds
from straingauge.verdict.threshold_notes import absent_parts, uncalled_endpoints

LIMITS = "p95_ms = { target = 1, warning = 2, critical = 3 }\n"
NAMES = ("scenario.browse", "scenario.order", "tag.read", "transaction.buy", 'endpoint."GET /x"')


def test_thresholds_for_what_did_not_occur(tmp_path: Path):
    """Scenarios, tags, transactions and endpoints that a result lacks are named, each once."""
    file = tmp_path / "thresholds.toml"
    file.write_text("".join(f"[{name}]\n{LIMITS}" for name in NAMES))
    thresholds = Thresholds.read(file)
    result = {"metrics": {"total_requests": 1}, "endpoints": {}, "scenarios": {"order": {}}}
    assert list(absent_parts(thresholds, result)) == [
        "thresholds for what did not occur: transaction buy, scenario browse, tag read"
    ]
    assert list(uncalled_endpoints(thresholds, result)) == [
        "thresholds for endpoints that were not called: GET /x"
    ]
    result["endpoints"] = {"GET /x": {}}
    assert list(uncalled_endpoints(thresholds, result)) == []
    result["metrics"] = {"total_requests": 0}
    assert list(absent_parts(thresholds, result)) == []
