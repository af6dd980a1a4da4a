"""Taking in a recording: the form is read as it arrives, judged as early as it can be.

The order of checks is the order in which the answers become known: the size by Content-Length, the
patient by the query, then while the body streams in the patient by the form, the type by the first
bytes, the size by counting. Nothing of a refused or broken upload stays.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from app.audio.kinds import SNIFF_BYTES, AudioKind, detect
from app.audio.multipart import MalformedForm, Piece, read_form
from app.audio.storage import IncomingFile
from app.errors import BadRequest, PayloadTooLarge, UnsupportedMedia
from app.sessions.schemas import UploadFields

MIN_BYTES = 512
"""A smaller file cannot hold speech: half a kilobyte is a quarter of a second of good Opus."""
MAX_FIELDS_BYTES = 128 * 1024
_FORM_OVERHEAD_BYTES = MAX_FIELDS_BYTES + 64 * 1024

CheckPatient = Callable[[uuid.UUID], Awaitable[object]]


@dataclass(slots=True)
class Upload:
    """One upload being read.

    Attributes:
        file: Where the recording goes.
        max_bytes: Its largest size.
        check_patient: Raises when there is no such patient.
        fields: The form's plain fields, to begin with those of the query.
    """

    file: IncomingFile
    max_bytes: int
    check_patient: CheckPatient
    fields: dict[str, str]
    kind: AudioKind | None = None
    _texts: dict[str, bytearray] = field(default_factory=dict)
    _checked: bool = False
    _head: bytearray = field(default_factory=bytearray)
    _file_parts: int = 0

    async def read(self, request: Request) -> UploadFields:
        """Read the whole request, writing its recording to the file.

        Raises:
            AppError: The upload is refused; the kind says why.
            RequestValidationError: A field is missing or wrong.
            ClientDisconnect: The client went away.
        """
        self._refuse_long_body(request)
        if "patient_id" in self.fields:
            await self._check_patient()
        try:
            content_type = request.headers.get("content-type", "")
            async for piece in read_form(content_type, request.stream()):
                await self._take(piece)
        except MalformedForm as error:
            raise BadRequest(f"The upload cannot be read: {error}.", code="bad_form") from error
        return await self._finish()

    def _refuse_long_body(self, request: Request) -> None:
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > self.max_bytes + _FORM_OVERHEAD_BYTES:
            raise self._too_large()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"A recording may have at most {self.max_bytes} bytes.")

    async def _check_patient(self) -> None:
        await self.check_patient(self._valid_fields().patient_id)
        self._checked = True

    def _valid_fields(self) -> UploadFields:
        try:
            return UploadFields.model_validate(self.fields)
        except ValidationError as error:
            wrong = [{**item, "loc": ("body", *item["loc"])} for item in error.errors()]
            raise RequestValidationError(wrong) from error

    async def _take(self, piece: Piece) -> None:
        if piece.part.name == "file":
            await self._take_audio(piece)
        else:
            self._take_text(piece)

    def _take_text(self, piece: Piece) -> None:
        text = self._texts.setdefault(piece.part.name, bytearray())
        text += piece.data
        if sum(map(len, self._texts.values())) > MAX_FIELDS_BYTES or len(self._texts) > 16:
            raise PayloadTooLarge("The form's fields are too long.")
        if piece.last:
            self.fields[piece.part.name] = text.decode("utf-8", "replace")

    async def _take_audio(self, piece: Piece) -> None:
        if not self._file_parts:
            self._file_parts = 1
            if "patient_id" in self.fields and not self._checked:
                await self._check_patient()
        elif self._file_parts == 2:
            raise BadRequest("Send one file at a time.")
        if len(self._head) < SNIFF_BYTES:
            self._head += piece.data[: SNIFF_BYTES - len(self._head)]
            if len(self._head) == SNIFF_BYTES:
                self._sniff()
        if self.file.size_bytes + len(piece.data) > self.max_bytes:
            raise self._too_large()
        await self.file.write(piece.data)
        if piece.last:
            self._file_parts = 2

    def _sniff(self) -> None:
        self.kind = detect(bytes(self._head))
        if self.kind is None:
            raise UnsupportedMedia(
                "This is no recording we know: send WAV, MP3, M4A/MP4, AAC, Ogg, Opus, FLAC, WebM,"
                " AIFF or AMR."
            )

    async def _finish(self) -> UploadFields:
        if not self._file_parts:
            raise BadRequest("The form has no part named file.", code="no_file")
        fields = self._valid_fields()
        if not self._checked:
            await self.check_patient(fields.patient_id)
        if self.file.size_bytes < MIN_BYTES:
            raise BadRequest(
                f"The file has {self.file.size_bytes} bytes, a recording at least {MIN_BYTES}.",
                code="too_small",
            )
        return fields


class UploadAborted(BadRequest):
    """The client went away in the middle; nobody reads this answer, the log does."""

    code = "upload_aborted"


async def read_upload(upload: Upload, request: Request) -> UploadFields:
    """Read the upload; a client that hangs up is an error of its own, not one of the service.

    Raises:
        AppError: The upload is refused or was broken off.
        RequestValidationError: A field is missing or wrong.
    """
    try:
        return await upload.read(request)
    except ClientDisconnect as error:
        raise UploadAborted("The upload was broken off.") from error
