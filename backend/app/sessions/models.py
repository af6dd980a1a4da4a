"""The sessions table and the status of a session."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Enum,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.table_base import Base


class Status(StrEnum):
    """Processing status of a session.

    uploading -> transcribing -> transcribed -> extracting_notes -> processed. Every status can
    change to failed, and a request for extraction changes it back to extracting_notes.
    """

    UPLOADING = "uploading"  # the recording is stored; its job waits for the worker
    TRANSCRIBING = "transcribing"
    TRANSCRIBED = "transcribed"
    EXTRACTING_NOTES = "extracting_notes"
    PROCESSED = "processed"
    FAILED = "failed"


class TherapySession(Base):
    """One session of a patient with the therapist.

    `therapist_id` duplicates that of the patient, so lists and ownership checks read one index. The
    foreign key includes it, so no session joins the records of two therapists. The
    transcript is by far the largest column: migration 0001 makes PostgreSQL store long transcripts
    out of line, so lists never read them.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        # The order of every list. The other two indexes serve filtered lists in the same order.
        Index("ix_sessions_list", "therapist_id", "session_date", "id"),
        Index("ix_sessions_patient", "patient_id", "session_date", "id"),
        Index("ix_sessions_status", "therapist_id", "status", "session_date", "id"),
        ForeignKeyConstraint(
            ["patient_id", "therapist_id"],
            ["patients.id", "patients.therapist_id"],
            ondelete="RESTRICT",
        ),
        CheckConstraint("status IN (" + ", ".join(f"'{s}'" for s in Status) + ")", name="status"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    patient_id: Mapped[uuid.UUID]
    therapist_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    session_date: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    status: Mapped[Status] = mapped_column(
        Enum(
            Status,
            native_enum=False,
            length=20,
            values_callable=lambda states: [state.value for state in states],
        )
    )
    failure_reason: Mapped[str | None] = mapped_column(Text)
    duration_s: Mapped[float | None] = mapped_column(Float)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    media_type: Mapped[str | None] = mapped_column(String(40))
    sha256: Mapped[str | None] = mapped_column(String(64))
    therapist_notes: Mapped[str | None] = mapped_column(Text)
    transcript: Mapped[str | None] = mapped_column(Text)
    transcriber: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), onupdate=func.now()
    )
