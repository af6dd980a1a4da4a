"""Streaming upload of a recording, validated as early as possible.

Checks run in the order in which their input arrives: the patient by the query, then from the body
the patient by the form, the format by the first bytes, the header of a WAV file as soon as it has
arrived, the size by counting. The patient that is stored is checked in any case, wherever its field
stood. A rejected or aborted upload leaves no data. `app.middleware.request_size` has checked the
Content-Length.
"""

import io
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from app.audio.formats import SNIFF_BYTES, WAV, AudioFormat, detect
from app.audio.multipart import Chunk, MalformedForm, read_form
from app.audio.storage import IncomingFile
from app.audio.wav import InvalidWav, WavHeader, read_header
from app.errors import BadRequest, PayloadTooLarge, Unprocessable, UnsupportedMedia
from app.limits import MAX_FIELDS_BYTES
from app.sessions.schemas import UploadFields
from app.strict_route import repeated_value

MIN_BYTES = 512
"""Smallest recording; 512 bytes are a quarter of a second of Opus at 16 kbit/s."""
_HEADER_BYTES = 4096
"""Part of a WAV file in which its header usually ends. A longer header is read at the end."""

CheckPatient = Callable[[uuid.UUID], Awaitable[object]]


@dataclass(slots=True)
class Upload:
    """An upload in progress.

    Attributes:
        file: Destination of the recording.
        max_bytes: Maximum size of the recording.
        max_duration_s: Maximum length of the recording, if its header states it.
        check_patient: Raises an error if the patient does not exist.
        patient_id: Patient of the query, if any.
        audio_format: Detected format of the recording.
        duration_s: Length of the recording; None if its format does not state it in the header.
    """

    file: IncomingFile
    max_bytes: int
    max_duration_s: int
    check_patient: CheckPatient
    patient_id: uuid.UUID | None
    audio_format: AudioFormat | None = None
    duration_s: float | None = None
    _header: WavHeader | None = None
    _fields: dict[str, str] = field(default_factory=dict)
    _fields_bytes: int = 0
    _text: bytearray = field(default_factory=bytearray)
    _checked: uuid.UUID | None = None
    _head: bytearray = field(default_factory=bytearray)
    _file_parts: int = 0

    async def read(self, request: Request) -> UploadFields:
        """Read the request and write the recording to the file.

        Raises:
            AppError: The upload is rejected; the subclass names the reason.
            RequestValidationError: A field is missing or invalid.
            ClientDisconnect: The client disconnected.
        """
        if self.patient_id is not None:
            await self._check_patient(self.patient_id)
        try:
            content_type = request.headers.get("content-type", "")
            if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
                raise UnsupportedMedia("Send the recording as multipart/form-data.")
            async for chunk in read_form(content_type, request.stream()):
                await self._add(chunk)
        except MalformedForm as error:
            raise BadRequest(f"The upload cannot be parsed: {error}.", code="bad_form") from error
        return await self._finish()

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"A recording may have at most {self.max_bytes} bytes.")

    async def _check_patient(self, patient_id: uuid.UUID) -> None:
        if patient_id != self._checked:
            await self.check_patient(patient_id)
            self._checked = patient_id

    def _valid_fields(self) -> UploadFields:
        default = {} if self.patient_id is None else {"patient_id": self.patient_id}
        try:
            fields = UploadFields.model_validate({**default, **self._fields})
        except ValidationError as error:
            errors = [{**item, "loc": ("body", *item["loc"])} for item in error.errors()]
            raise RequestValidationError(errors) from error
        if self.patient_id not in {None, fields.patient_id}:
            raise repeated_value("body", "patient_id")
        return fields

    async def _add(self, chunk: Chunk) -> None:
        if chunk.part.name == "file":
            await self._add_audio(chunk)
        else:
            self._add_text(chunk)

    def _add_text(self, chunk: Chunk) -> None:
        self._text += chunk.data
        self._fields_bytes += len(chunk.data)
        if self._fields_bytes > MAX_FIELDS_BYTES:
            raise PayloadTooLarge("The form fields are too long.")
        if not chunk.last:
            return
        name = chunk.part.name
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            error = {"type": "encoding", "loc": ("body", name[:100]), "msg": "Not UTF-8"}
            raise RequestValidationError([error]) from None
        self._text.clear()
        if self._fields.setdefault(name, text) != text:
            raise repeated_value("body", name)

    async def _add_audio(self, chunk: Chunk) -> None:
        if not self._file_parts:
            self._file_parts = 1
            if "patient_id" in self._fields:
                await self._check_patient(self._valid_fields().patient_id)
        elif self._file_parts == 2:
            raise BadRequest("Send one file at a time.")
        if len(self._head) < _HEADER_BYTES:
            self._head += chunk.data[: _HEADER_BYTES - len(self._head)]
            if self.audio_format is None and len(self._head) >= SNIFF_BYTES:
                self._detect_format()
            if len(self._head) == _HEADER_BYTES and self.audio_format is WAV:
                self._read_early_header()
        if self.file.size_bytes + len(chunk.data) > self.max_bytes:
            raise self._too_large()
        await self.file.write(bytes(chunk.data))
        if chunk.last:
            self._file_parts = 2

    def _detect_format(self) -> None:
        self.audio_format = detect(bytes(self._head))
        if self.audio_format is None:
            raise UnsupportedMedia(
                "The audio format is not supported. Send WAV, MP3, M4A/MP4, AAC, Ogg, Opus, FLAC,"
                " WebM, AIFF or AMR."
            )

    def _read_early_header(self) -> None:
        try:
            self._header = read_header(io.BytesIO(self._head))
        except EOFError:
            return  # a long header
        except InvalidWav as error:
            raise _rejected_wav(error) from error

    async def _check_duration(self) -> None:
        if self.audio_format is not WAV:
            return
        header = self._header
        if header is None:
            try:
                header = await self.file.inspect(read_header)
            except (InvalidWav, EOFError) as error:
                raise _rejected_wav(error) from error
        self.duration_s = header.duration_s(self.file.size_bytes)
        if self.duration_s is not None and self.duration_s > self.max_duration_s:
            raise _rejected(
                f"The recording lasts {self.duration_s:.0f} s; at most {self.max_duration_s} s are"
                " allowed.",
                code="recording_too_long",
            )

    async def _finish(self) -> UploadFields:
        if not self._file_parts:
            raise BadRequest("The form has no part named file.", code="no_file")
        fields = self._valid_fields()
        await self._check_patient(fields.patient_id)
        if self.file.size_bytes < MIN_BYTES:
            raise BadRequest(
                f"The file has {self.file.size_bytes} bytes; a recording has at least {MIN_BYTES}.",
                code="too_small",
            )
        await self._check_duration()
        return fields


def _rejected_wav(error: Exception) -> Unprocessable:
    return _rejected(f"The WAV file cannot be read: {error}.", code="bad_recording")


def _rejected(message: str, *, code: str) -> Unprocessable:
    return Unprocessable(message, code=code, details=[{"where": "body.file", "message": message}])


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
