"""Serve a stored recording, with range and conditional requests (RFC 9110)."""

from pathlib import Path

from fastapi import Request, Response
from starlette.datastructures import Headers
from starlette.responses import FileResponse, MalformedRangeHeader
from starlette.responses import RangeNotSatisfiable as OutsideFile
from starlette.types import Receive, Scope, Send

from app.errors import RangeNotSatisfiable, error_response


class _AudioResponse(FileResponse):
    """Starlette's `FileResponse`, with a JSON body for a 416, that ignores a malformed range.

    RFC 9110, 14.2, requires that for an unknown unit, and permits it for the rest.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        range_header = headers.get("range")
        assert self.stat_result is not None
        if range_header is not None:
            size = self.stat_result.st_size
            try:
                self._parse_range_header(range_header, size)
            except MalformedRangeHeader:
                kept = [item for item in scope["headers"] if item[0] != b"range"]
                scope = {**scope, "headers": kept}
            except OutsideFile:
                if self._range_applies(headers.get("if-range")):
                    error = RangeNotSatisfiable(
                        f"The recording has {size} bytes.",
                        headers={"Content-Range": f"bytes */{size}"},
                    )
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
