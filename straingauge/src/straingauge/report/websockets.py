"""WebSockets of a run: a line for each endpoint in texts, and a table on the page."""

from collections.abc import Iterator, Mapping
from typing import Any

from straingauge.number_text import count, number
from straingauge.report.text import Result


def websocket_lines(result: Result) -> Iterator[str]:
    """Yield a line for each endpoint with WebSockets: messages, close codes and duration."""
    for name, found in _endpoints(result):
        dropped = f", {found['dropped']:,} dropped" if found["dropped"] else ""
        yield (
            f"{name}: {count(found['websockets'], 'WebSocket')}; {found['sent']:,} sent, "
            f"{found['received']:,} received{dropped}; closed with {_codes(found)}"
        )


def websocket_rows(result: Result) -> list[dict[str, Any]]:
    """Return a row for each endpoint with WebSockets; durations are p50 and maximum in seconds."""
    return [
        {
            "endpoint": name,
            **{key: f"{found[key]:,}" for key in ("websockets", "sent", "received", "pings")},
            "dropped": f"{found['dropped']:,}",
            "bytes": f"{found['sent_bytes']:,} / {found['received_bytes']:,}",
            "duration": " / ".join(
                number((found["duration_ms"][each] or 0) / 1000) for each in ("p50", "max")
            ),
            "codes": _codes(found),
        }
        for name, found in _endpoints(result)
    ]


def _endpoints(result: Result) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, figures in result["endpoints"].items():
        if (found := figures.get("websockets")) is not None:
            yield name, found


def _codes(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{code} x {amount:,}" for code, amount in found["close_codes"].items())
