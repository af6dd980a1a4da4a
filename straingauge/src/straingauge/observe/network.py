"""TCP segments of this machine: sent, and sent again because no acknowledgement came.

They come from the kernel's counters (proc(5), Linux) and concern all connections of the machine,
or of its network namespace.
"""

from pathlib import Path
from typing import Final

SENT: Final = "segments_sent"
RETRANSMITTED: Final = "segments_retransmitted"


def read_segments(folder: Path = Path("/proc/net")) -> dict[str, float]:
    """Return the segments sent and retransmitted so far; empty where there are no such counters.

    Requests to connect (SYN) do not count as retransmitted: whether they are answered is up to the
    service as well.
    """
    try:
        counts = _table(folder / "snmp", "Tcp") | _table(folder / "netstat", "TcpExt")
        again = counts["RetransSegs"] - counts["TCPSynRetrans"]
        return {SENT: float(counts["OutSegs"]), RETRANSMITTED: float(again)}
    except (OSError, KeyError, ValueError):
        return {}


def _table(path: Path, name: str) -> dict[str, int]:
    """Read a line of names and one of values, each after `name:`."""
    rows = [line.split() for line in path.read_text().splitlines() if line.startswith(f"{name}:")]
    names, values = rows
    return dict(zip(names[1:], map(int, values[1:]), strict=True))
