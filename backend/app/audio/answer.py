"""Sends a stored recording: whole or by Range, with conditions (RFC 9110)."""

from pathlib import Path

from fastapi import Request, Response
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable
from starlette.types import Receive, Scope, Send

from app.errors import AppError, BadRequest, error_response


class _Unsatisfiable(AppError):
    """416: the recording has no such bytes."""

    status_code = 416
    code = "range_not_satisfiable"


class _AudioResponse(FileResponse):
    """Starlette's answer, with the service's JSON errors instead of plain text ones."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = Request(scope).headers.get("range")
        assert self.stat_result is not None
        if wanted is not None:
            size = self.stat_result.st_size
            try:
                self._parse_range_header(wanted, size)
            except MalformedRangeHeader as error:
                refused: AppError | None = BadRequest(error.content, code="bad_range")
            except RangeNotSatisfiable:
                refused = _Unsatisfiable(
                    f"The recording has {size} bytes.", headers={"Content-Range": f"bytes */{size}"}
                )
            else:
                refused = None
            if refused is not None and self._range_counts(Request(scope).headers.get("if-range")):
                await error_response(refused)(scope, receive, send)
                return
        await super().__call__(scope, receive, send)

    def _range_counts(self, condition: str | None) -> bool:
        return condition is None or self._should_use_range(condition)


def audio_response(
    request: Request, path: Path, *, name: str, media_type: str, sha256: str
) -> Response:
    """Answer with the file, or 304 when the client has it already.

    Raises:
        FileNotFoundError: There is no such file.
    """
    stat = path.stat()
    etag = f'"{sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return _AudioResponse(
        path, headers=headers, media_type=media_type, filename=name, stat_result=stat
    )
