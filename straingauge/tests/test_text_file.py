"""Text files as editors of other systems save them."""

from pathlib import Path

import pytest
from straingauge.errors import UsageError
from straingauge.target.config import StackConfig
from straingauge.text_file import read_toml
from straingauge.verdict import Thresholds

TOML = '[service]\ncommand = ["{python}"]\nready = "/"\n'


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_marks_and_line_ends(tmp_path: Path, mark: bytes, end: bytes):
    """Configuration and thresholds may have a byte order mark, and the line ends of Windows."""
    config = tmp_path / "straingauge.toml"
    config.write_bytes(mark + ('app = "x"\n' + TOML).encode().replace(b"\n", end))
    assert StackConfig.from_file(config).ready == "/"
    thresholds = tmp_path / "thresholds.toml"
    line = b"error_rate_percent = { target = 1, warning = 5, critical = 10 }"
    thresholds.write_bytes(mark + b"[all]" + end + line + end)
    assert "error_rate_percent" in Thresholds.read(thresholds).overall


def test_another_encoding_is_named(tmp_path: Path):
    """A file in UTF-16, as `>` of PowerShell writes it, is an error that says so."""
    file = tmp_path / "straingauge.toml"
    file.write_text(TOML, encoding="utf-16")
    with pytest.raises(UsageError, match="line 1: not UTF-8: UTF-16"):
        read_toml(file)
