"""Two network namespaces with a cable between them, which can be cut or made to lose packets.

The campaign runs in one of them; its addresses exist only there. Needs Linux with `ip`, `nft`,
`nsenter` and `unshare`, and root or user namespaces.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from campaigns.namespaces import refusal

GENERATOR, SERVER = "192.0.2.1", "192.0.2.2"
KINDS = ("--net",)

_TOOLS = {"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux"}
_TABLE = "inet campaign"


def missing() -> str | None:
    """Return what this machine lacks for the campaign; None if nothing."""
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            return f"there is no {tool}: apt install {package}"
    # A veth and a table, because some machines allow the namespace only.
    script = "ip link add probe0 type veth peer name probe1 && nft add table inet probe"
    return refusal(KINDS, script)


class Link:
    """The cable between this namespace and the server's. Use as a context manager."""

    def __enter__(self) -> Self:
        # It holds the second namespace: the server in it may be killed.
        self._holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        try:
            self._connect()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._holder.kill()
        self._holder.wait()
        subprocess.run(["ip", "link", "del", "cable"], capture_output=True, check=False)

    def _connect(self) -> None:
        own = Path("/proc/self/ns/net").stat().st_ino
        namespace = Path(f"/proc/{self._holder.pid}/ns/net")
        while namespace.stat().st_ino == own:  # until `unshare` has done its work
            if self._holder.poll() is not None:
                raise RuntimeError("the server's namespace could not be made")
        _run("ip", "link", "set", "lo", "up")
        pair = ["ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns"]
        _run(*pair, str(self._holder.pid))
        _run("ip", "addr", "add", f"{GENERATOR}/24", "dev", "cable")
        _run("ip", "link", "set", "cable", "up")
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "addr", "add", f"{SERVER}/24", "dev", "cable"],
            ["ip", "link", "set", "cable", "up"],
        ):
            _run(*self.server_side, *command)

    @property
    def server_side(self) -> list[str]:
        """Prefix of a command that runs in the server's namespace."""
        return ["nsenter", "--target", str(self._holder.pid), "--net"]

    def cut(self) -> None:
        """Take the link down at the server's end."""
        _run(*self.server_side, "ip", "link", "set", "cable", "down")

    def mend(self) -> None:
        """Take the link up again, and delete all rules."""
        _run(*self.server_side, "ip", "link", "set", "cable", "up")
        subprocess.run(
            ["nft", "delete", "table", *_TABLE.split()], capture_output=True, check=False
        )

    def drop(self) -> None:
        """Drop all packets in both directions, with the link up."""
        self._filter("drop")

    def reject(self) -> None:
        """Reset each connection that sends a packet."""
        self._filter("meta l4proto tcp reject with tcp reset", hooks=("output",))

    def lose(self, percent: int) -> None:
        """Drop a random share of the packets in each direction."""
        self._filter(f"numgen random mod 100 < {percent} drop")

    def _filter(self, rule: str, hooks: Sequence[str] = ("input", "output")) -> None:
        chains = "\n".join(
            f"chain {hook} {{\ntype filter hook {hook} priority 0\n{_name(hook)} cable {rule}\n}}"
            for hook in hooks
        )
        _run("nft", f"table {_TABLE} {{\n{chains}\n}}")


def _name(hook: str) -> str:
    return "iifname" if hook == "input" else "oifname"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
