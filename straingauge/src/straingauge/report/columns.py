"""The columns of the page's tables."""

from typing import Any, Final


def _columns(**titles: str) -> list[dict[str, Any]]:
    """Columns by key; a title that ends in # is of figures, "code" and "grade" say how it looks."""
    return [
        {
            "key": key,
            "title": title.rstrip("#"),
            "number": title.endswith("#"),
            "kind": {"query": "code", "waiting": "code", "holding": "code", "grade": "grade"}.get(
                key, "words"
            ),
        }
        for key, title in titles.items()
    ]


COLUMNS: Final = {
    "demands": _columns(grade="verdict", where="of", message="found"),
    "slowest": _columns(
        t_s="at s#",
        endpoint="endpoint",
        status="status#",
        response="response ms#",
        service="service ms#",
        parts="of it, ms",
        request_id="request id",
    ),
    "waits": _columns(event="event", share="share#", peak="most at once#"),
    "blocked": _columns(waiting="waiting", holding="held up by"),
    "statements": _columns(
        share="of all time#",
        calls="calls#",
        per_request="per request#",
        mean="mean ms#",
        rows="rows#",
        query="statement",
    ),
    "tables": _columns(
        table="table",
        rows="rows#",
        seq_scans="sequential scans#",
        rows_per_seq_scan="rows each#",
        index_scans="index scans#",
        inserted="inserted#",
        updated="updated#",
        deleted="deleted#",
    ),
}
