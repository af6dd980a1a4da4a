"""Streaming upload of a recording, validated as early as possible.

Checks run in the order in which their input arrives: the size by Content-Length, the patient by the
query, then from the body the patient by the form, the format by the first bytes, the size by
counting. A rejected or aborted upload leaves no data.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from app.audio.formats import SNIFF_BYTES, AudioFormat, detect
from app.audio.multipart import Chunk, MalformedForm, read_form
from app.audio.storage import IncomingFile
from app.errors import BadRequest, PayloadTooLarge, UnsupportedMedia
from app.sessions.schemas import UploadFields

MIN_BYTES = 512
"""Smallest recording; 512 bytes are a quarter of a second of Opus at 16 kbit/s."""
MAX_FIELDS_BYTES = 128 * 1024
_FORM_OVERHEAD_BYTES = MAX_FIELDS_BYTES + 64 * 1024

CheckPatient = Callable[[uuid.UUID], Awaitable[object]]


@dataclass(slots=True)
class Upload:
    """An upload in progress.

    Attributes:
        file: Destination of the recording.
        max_bytes: Maximum size of the recording.
        check_patient: Raises an error if the patient does not exist.
        fields: Form fields, initially those of the query.
        audio_format: Detected format of the recording.
    """

    file: IncomingFile
    max_bytes: int
    check_patient: CheckPatient
    fields: dict[str, str]
    audio_format: AudioFormat | None = None
    _texts: dict[str, bytearray] = field(default_factory=dict)
    _checked: bool = False
    _head: bytearray = field(default_factory=bytearray)
    _file_parts: int = 0

    async def read(self, request: Request) -> UploadFields:
        """Read the request and write the recording to the file.

        Raises:
            AppError: The upload is rejected; the subclass names the reason.
            RequestValidationError: A field is missing or invalid.
            ClientDisconnect: The client disconnected.
        """
        self._check_content_length(request)
        if "patient_id" in self.fields:
            await self._check_patient()
        try:
            content_type = request.headers.get("content-type", "")
            async for chunk in read_form(content_type, request.stream()):
                await self._add(chunk)
        except MalformedForm as error:
            raise BadRequest(f"The upload cannot be parsed: {error}.", code="bad_form") from error
        return await self._finish()

    def _check_content_length(self, request: Request) -> None:
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
            errors = [{**item, "loc": ("body", *item["loc"])} for item in error.errors()]
            raise RequestValidationError(errors) from error

    async def _add(self, chunk: Chunk) -> None:
        if chunk.part.name == "file":
            await self._add_audio(chunk)
        else:
            self._add_text(chunk)

    def _add_text(self, chunk: Chunk) -> None:
        text = self._texts.setdefault(chunk.part.name, bytearray())
        text += chunk.data
        if sum(map(len, self._texts.values())) > MAX_FIELDS_BYTES or len(self._texts) > 16:
            raise PayloadTooLarge("The form fields are too long.")
        if chunk.last:
            self.fields[chunk.part.name] = text.decode("utf-8", "replace")

    async def _add_audio(self, chunk: Chunk) -> None:
        if not self._file_parts:
            self._file_parts = 1
            if "patient_id" in self.fields and not self._checked:
                await self._check_patient()
        elif self._file_parts == 2:
            raise BadRequest("Send one file at a time.")
        if len(self._head) < SNIFF_BYTES:
            self._head += chunk.data[: SNIFF_BYTES - len(self._head)]
            if len(self._head) == SNIFF_BYTES:
                self._detect_format()
        if self.file.size_bytes + len(chunk.data) > self.max_bytes:
            raise self._too_large()
        await self.file.write(chunk.data)
        if chunk.last:
            self._file_parts = 2

    def _detect_format(self) -> None:
        self.audio_format = detect(bytes(self._head))
        if self.audio_format is None:
            raise UnsupportedMedia(
                "The audio format is not supported. Send WAV, MP3, M4A/MP4, AAC, Ogg, Opus, FLAC,"
                " WebM, AIFF or AMR."
            )

    async def _finish(self) -> UploadFields:
        if not self._file_parts:
            raise BadRequest("The form has no part named file.", code="no_file")
        fields = self._valid_fields()
        if not self._checked:
            await self.check_patient(fields.patient_id)
        if self.file.size_bytes < MIN_BYTES:
            raise BadRequest(
                f"The file has {self.file.size_bytes} bytes; a recording has at least {MIN_BYTES}.",
                code="too_small",
            )
        return fields


class UploadAborted(BadRequest):
    """The client disconnected during the upload. The error reaches the log only."""

    code = "upload_aborted"


async def read_upload(upload: Upload, request: Request) -> UploadFields:
    """Read an upload, treating a disconnect as an error of the client.

    Raises:
        AppError: The upload was rejected or aborted.
        RequestValidationError: A field is missing or invalid.
    """
    try:
        return await upload.read(request)
    except ClientDisconnect as error:
        raise UploadAborted("The upload was aborted.") from error
