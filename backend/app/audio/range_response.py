"""Serve a stored recording, with range and conditional requests (RFC 9110)."""

from pathlib import Path

from fastapi import Request, Response
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable
from starlette.types import Receive, Scope, Send

from app.errors import AppError, BadRequest, error_response


class _UnsatisfiableRange(AppError):
    """416: the range lies outside the recording."""

    status_code = 416
    code = "range_not_satisfiable"


class _AudioResponse(FileResponse):
    """Starlette's `FileResponse` with JSON error bodies instead of plain text ones."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        range_header = Request(scope).headers.get("range")
        assert self.stat_result is not None
        if range_header is not None:
            size = self.stat_result.st_size
            try:
                self._parse_range_header(range_header, size)
            except MalformedRangeHeader as malformed:
                error: AppError | None = BadRequest(malformed.content, code="bad_range")
            except RangeNotSatisfiable:
                error = _UnsatisfiableRange(
                    f"The recording has {size} bytes.", headers={"Content-Range": f"bytes */{size}"}
                )
            else:
                error = None
            if error is not None and self._range_applies(Request(scope).headers.get("if-range")):
                await error_response(error)(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _range_applies(self, if_range: str | None) -> bool:
        return if_range is None or self._should_use_range(if_range)


def audio_response(
    request: Request, path: Path, *, name: str, media_type: str, sha256: str
) -> Response:
    """Return the file, or 304 if the client's copy is current.

    Raises:
        FileNotFoundError: The file does not exist.
    """
    stat = path.stat()
    etag = f'"{sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    cached = request.headers.get("if-none-match", "")
    cached_tags = [tag.strip().removeprefix("W/") for tag in cached.split(",")]
    if cached.strip() == "*" or etag in cached_tags:
        return Response(status_code=304, headers=headers)
    return _AudioResponse(
        path, headers=headers, media_type=media_type, filename=name, stat_result=stat
    )
