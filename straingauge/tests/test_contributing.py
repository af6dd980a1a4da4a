"""The example in CONTRIBUTING.md works as it is shown."""

import re
from pathlib import Path
from typing import Any

import pytest
from straingauge.diagnosis import CAUSES
from straingauge.diagnosis.cause import Cause
from straingauge.diagnosis.result_view import ResultView
from straingauge.report.evidence import TITLES

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()


@pytest.fixture
def example() -> Cause:
    """The cause that the example declares."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  our own
    declared: Cause = names["sorts_on_disk"]
    return declared


@pytest.mark.parametrize(("files", "confidence"), [(0, None), (500, 0.95), (50, 0.5)])
def test_the_example_detects_its_cause(example: Cause, files: int, confidence: float | None):
    """It is found in a result with many temporary files, and only there."""
    result = {"metrics": {"total_requests": 1000}, "resources": {"database": {"temp_files": files}}}
    found = example.detect(ResultView(result))
    if confidence is None:
        assert found is None
    else:
        assert found is not None
        assert found.confidence == pytest.approx(confidence)


def test_the_example_refers_to_what_exists(example: Cause):
    """It is no cause yet; the causes that it explains and its charts exist."""
    assert example.id not in CAUSES
    assert set(example.explains) <= set(CAUSES)
    assert set(example.charts) <= set(TITLES)
