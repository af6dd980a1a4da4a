"""Secrets from the environment or from files, which no result shows."""

import os
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.redaction import MIN_HIDDEN, hide
from straingauge.text_file import read_text

_HINT: Final = 'secret("env:API_KEY"), or secret("file:/run/secrets/api_key")'


def secret(source: str, *, folder: Path | None = None) -> str:
    """Return a secret; wherever it would appear in a result or a message, "***" stands instead.

    Args:
        source: "env:NAME" for an environment variable, or "file:PATH" for the first line of a file.
        folder: Folder of a relative path; the current one by default.

    Raises:
        UsageError: There is no such variable or file, it is empty, or too short to be hidden.
    """
    kind, _, name = source.partition(":")
    if kind not in ("env", "file") or not name:
        raise UsageError(f"{kind!r} is no source of a secret", hint=_HINT)
    if kind == "env":
        value, described = os.environ.get(name), f"the environment variable {name}"
        if value is None:
            raise UsageError(f"{described} is not set", hint=f"export {name}=...")
    else:
        path = (folder or Path.cwd()) / name
        lines = read_text(path, hint=_HINT).splitlines()
        value, described = lines[0] if lines else "", str(path)
    value = value.strip()
    if len(value) < MIN_HIDDEN:
        length = "is empty" if not value else f"has fewer than {MIN_HIDDEN} characters"
        raise UsageError(
            f"{described} {length}: it cannot be hidden in results", hint="use a longer secret"
        )
    hide(value)
    return value
