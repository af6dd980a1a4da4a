"""Namespaces of the kernel that a campaign runs in, so that what it breaks exists only there.

Needs Linux with `unshare`, and root or user namespaces.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

INSIDE = "STRAINGAUGE_CAMPAIGN_NAMESPACES"
"""Variable that says that this process is in new namespaces."""


def refusal(kinds: Sequence[str], script: str) -> str | None:
    """Return why a script cannot be run in new namespaces; None if it can.

    Args:
        kinds: Options of `unshare`, such as "--net".
        script: Commands for `sh`, because some machines allow the namespaces only.
    """
    if sys.platform != "linux":
        return "namespaces need Linux"
    if shutil.which("unshare") is None:
        return "there is no unshare: apt install util-linux"
    command = [*_unshare(kinds), "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.returncode:
        return None
    reason = done.stderr.strip().partition("\n")[0]
    return f"no namespaces can be made here ({reason}): run it as root"


def enter(kinds: Sequence[str], module: str, arguments: Sequence[str]) -> None:
    """Replace this process by the same module in new namespaces."""
    command = [*_unshare(kinds), sys.executable, "-m", module, *arguments]
    os.execvpe(command[0], command, os.environ | {INSIDE: "1"})  # noqa: S606  becomes `unshare`


def is_inside() -> bool:
    """Return true in the namespaces that `enter` has made."""
    return INSIDE in os.environ


def _unshare(kinds: Sequence[str]) -> list[str]:
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_user, *kinds]
