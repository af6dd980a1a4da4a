"""JSON files of other programs."""

import json
from pathlib import Path
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.json_text import parse_json
from straingauge.text_file import read_text

MAX_BYTES: Final = 128 << 20  # with the bodies of responses, HAR files have tens of MB


def read_json(path: Path, kind: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: The file.
        kind: Its kind in messages, such as "a HAR file".

    Raises:
        UsageError: It cannot be read, is too large, is not UTF-8, or is no JSON object.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if size > MAX_BYTES:
        raise UsageError(
            f"{path} has {size >> 20} MB: {kind} may have {MAX_BYTES >> 20} MB",
            hint="export it without the bodies of responses",
        )
    try:
        content = parse_json(read_text(path), finite=True)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path}, line {error.lineno}: not valid JSON: {error.msg}",
            hint="export it again: it may be cut off",
        ) from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} is not {kind}: it is no JSON object")
    return content
