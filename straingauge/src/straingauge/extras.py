"""The extras of this package, and the command that installs one."""

import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

Extra = Literal["export", "http2", "locust", "mcp", "postgres", "profile", "pytest", "traces"]


def install_command(extra: Extra) -> str:
    """Return the command that installs an extra into this environment.

    An installation from a folder, such as a checkout, is named by it (PEP 610), since the extra
    would otherwise be looked for on a package index.
    """
    folder, editable = _folder()
    name = f"{folder}[{extra}]" if folder else f"straingauge[{extra}]"
    option = "-e " if editable else ""
    return f"{shlex.quote(sys.executable)} -m pip install {option}'{name}'"


def _folder() -> tuple[str | None, bool]:
    """Return the folder that this package was installed from, and whether it is used in place."""
    try:
        text = distribution("straingauge").read_text("direct_url.json")
    except PackageNotFoundError:
        return None, False
    origin = json.loads(text) if text else {}
    if "dir_info" not in origin:
        return None, False
    editable = bool(origin["dir_info"].get("editable"))
    return url2pathname(urlsplit(origin["url"]).path), editable
