"""Seconds as InfluxDB's line protocol over HTTP.

Source: "Line protocol reference" in the documentation of InfluxDB 2; 1 and 3 take it as well.
"""

import os
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qs, urlsplit

from straingauge.errors import UsageError
from straingauge.exports.http_sender import HttpSender
from straingauge.exports.second import EndpointSecond, Second
from straingauge.redaction import hide

TOKEN: Final = "INFLUX_TOKEN"  # noqa: S105  the name of the variable
_PATHS: Final = {"bucket": "/api/v2/write", "db": "/write"}
_SPECIAL: Final = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ ", "\n": "\\ ", "\r": "\\ "})

Value = int | float


class InfluxLines:
    """Sends what each second adds; a point has the time at which its second ends.

    Args:
        url: Of the database, with `org` and `bucket` of InfluxDB 2, or `db` of InfluxDB 1 and 3.
        option: The option with the URL, for errors.
        environment: `INFLUX_TOKEN` has the token, as for InfluxDB's own command.

    Raises:
        UsageError: It is no URL, names no database, or another unit of time.
    """

    def __init__(
        self, url: str, *, option: str, environment: Mapping[str, str] = os.environ
    ) -> None:
        named = parse_qs(urlsplit(url).query)
        for secret in (*named.get("p", ()), environment.get(TOKEN, "")):
            hide(secret)  # InfluxDB 1 takes a password as p
        path = next((path for name, path in _PATHS.items() if name in named), None)
        if path is None:
            raise UsageError(
                f"{option}: the URL names no database: {url}",
                hint=f"{option} 'influx+http://localhost:8086?org=ORG&bucket=BUCKET', or ?db=NAME",
            )
        if "precision" in named:
            raise UsageError(f"{option}: times are in nanoseconds: remove precision from {url}")
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token := environment.get(TOKEN):
            headers["Authorization"] = f"Token {token}"
        self._sender = HttpSender(url, path, headers, option=option)

    def add(self, second: Second) -> None:
        """Send the points of a second.

        Raises:
            OSError: They were not accepted.
        """
        self._sender.send("".join(_lines(second)).encode())

    def close(self) -> None:
        """Close the connection."""
        self._sender.close()


def _lines(second: Second) -> Iterator[str]:
    at_ns, tags = round(second.time * 1e9), {"run": second.run}
    fields: dict[str, Value | None] = {
        "users": second.users,
        "arrivals_due": second.arrivals_due,
        "arrivals_started": second.arrivals_started,
        "server_cpu_percent": second.server_cpu_percent,
        "server_rss_bytes": second.server_rss_bytes,
    }
    yield _line("load", tags, fields, at_ns)
    for name, each in second.endpoints.items():
        yield from _endpoint({**tags, "endpoint": name}, each, at_ns)


def _endpoint(tags: Mapping[str, str], each: EndpointSecond, at_ns: int) -> Iterator[str]:
    figures = each.figures()
    statuses, errors = figures.pop("statuses"), figures.pop("errors")
    yield _line("requests", tags, figures, at_ns)
    for status, count in statuses.items():
        yield _line("responses", {**tags, "status": status}, {"count": count}, at_ns)
    for kind, count in errors.items():
        yield _line("errors", {**tags, "kind": kind}, {"count": count}, at_ns)


def _line(
    name: str, tags: Mapping[str, str], fields: Mapping[str, Value | None], at_ns: int
) -> str:
    # A backslash at the end would escape the separator after it.
    pairs = (f"{key}={text.translate(_SPECIAL).rstrip(chr(92))}" for key, text in tags.items())
    values = (
        f"{key}={value}{'i' if isinstance(value, int) else ''}"
        for key, value in fields.items()
        if value is not None
    )
    return f"straingauge_{name},{','.join(pairs)} {','.join(values)} {at_ns}\n"
