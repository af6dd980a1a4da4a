"""A format of access logs that the user describes, by a regular expression."""

import re
from typing import Final

from straingauge.errors import UsageError
from straingauge.replay.client import client_of
from straingauge.replay.line_formats import LogFormat, split_request
from straingauge.replay.log_time import parse_log_time
from straingauge.replay.request import RecordedRequest

_GROUPS: Final = frozenset({"request", "method", "target", "time", "status", "client", "agent"})
_EXAMPLE: Final = r"""--log-format '(?P<client>\S+) \[(?P<time>[^]]+)\] "(?P<request>[^"]*)"'"""


def own_format(pattern: str) -> LogFormat:
    """Return the format of lines in which a pattern is found.

    Args:
        pattern: A regular expression with the named groups "request" (such as "GET / HTTP/1.1") or
            "method" and "target", and perhaps "time", "status", "client" and "agent".

    Raises:
        UsageError: It is none, or has other groups.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        text = f"--log-format is no regular expression: {error}"
        raise UsageError(text, hint=_EXAMPLE) from error
    names = compiled.groupindex.keys()
    if unknown := sorted(names - _GROUPS):
        known = ", ".join(sorted(_GROUPS))
        raise UsageError(f"--log-format has the group {unknown[0]!r}", hint=f"known are {known}")
    if "request" not in names and not {"method", "target"} <= names:
        raise UsageError(
            "--log-format has no group for the request, nor those for method and target",
            hint=_EXAMPLE,
        )

    def parse(line: str) -> RecordedRequest | None:
        found = compiled.search(line)
        return None if found is None else _request(found)

    return LogFormat("--log-format", parse)


def _request(found: "re.Match[str]") -> RecordedRequest | None:
    """Return the request of a line; None if its time is none."""
    groups = {name: text or "" for name, text in found.groupdict().items()}
    at_ns = parse_log_time(groups["time"].strip()) if "time" in groups else 0
    if at_ns is None:
        return None
    if "request" in groups:
        method, target = split_request(groups["request"])
    else:
        method, target = split_request(f"{groups['method']} {groups['target']}")
    status, agent = groups.get("status", ""), groups.get("agent", "")
    return RecordedRequest(
        method,
        target,
        int(status) if status.isascii() and status.isdecimal() else 0,
        at_ns,
        client_of(groups.get("client", "")),
        "" if agent == "-" else agent,
    )
