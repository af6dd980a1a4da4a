"""Create the tables of accounts, patients, sessions and notes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _now(name: str) -> "sa.Column[object]":
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def upgrade() -> None:
    _create_accounts()
    op.create_table(
        "patients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("therapist_id", sa.Uuid(), nullable=False),
        sa.Column("full_name", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254)),
        sa.Column("phone", sa.String(40)),
        sa.Column("date_of_birth", sa.Date()),
        _now("created_at"),
        _now("updated_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patients")),
        sa.ForeignKeyConstraint(
            ["therapist_id"],
            ["users.id"],
            name=op.f("fk_patients_therapist_id_users"),
            ondelete="RESTRICT",
        ),
    )
    op.create_index("ix_patients_therapist", "patients", ["therapist_id", "full_name", "id"])
    _create_sessions()
    op.create_table(
        "notes",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        _now("created_at"),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_notes")),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_notes_session_id_sessions"),
            ondelete="CASCADE",
        ),
    )


def _create_accounts() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("full_name", sa.String(200), nullable=False),
        _now("created_at"),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_is_lower")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("family_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        _now("created_at"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_at", sa.DateTime(timezone=True)),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_tokens")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_refresh_tokens_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_refresh_tokens_family_id"), "refresh_tokens", ["family_id"])
    op.create_index(op.f("ix_refresh_tokens_user_id"), "refresh_tokens", ["user_id"])


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("patient_id", sa.Uuid(), nullable=False),
        sa.Column("therapist_id", sa.Uuid(), nullable=False),
        sa.Column("session_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("failure_reason", sa.Text()),
        sa.Column("duration_s", sa.Float()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("media_type", sa.String(40)),
        sa.Column("sha256", sa.String(64)),
        sa.Column("therapist_notes", sa.Text()),
        sa.Column("transcript", sa.Text()),
        sa.Column("transcriber", sa.String(80)),
        _now("created_at"),
        _now("updated_at"),
        sa.CheckConstraint(
            "status IN ('uploading', 'transcribing', 'transcribed', 'extracting_notes',"
            " 'processed', 'failed')",
            name=op.f("ck_sessions_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.ForeignKeyConstraint(
            ["patient_id"],
            ["patients.id"],
            name=op.f("fk_sessions_patient_id_patients"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["therapist_id"],
            ["users.id"],
            name=op.f("fk_sessions_therapist_id_users"),
            ondelete="RESTRICT",
        ),
    )
    op.create_index("ix_sessions_list", "sessions", ["therapist_id", "session_date", "id"])
    op.create_index("ix_sessions_patient", "sessions", ["patient_id", "session_date", "id"])
    op.create_index(
        "ix_sessions_status", "sessions", ["therapist_id", "status", "session_date", "id"]
    )
    # Store long transcripts out of line, not compressed in place: a database page then holds dozens
    # of sessions, and a list of 50 sessions reads few pages.
    op.execute("ALTER TABLE sessions ALTER COLUMN transcript SET STORAGE EXTERNAL")


def downgrade() -> None:
    for table in ("notes", "sessions", "patients", "refresh_tokens", "users"):
        op.drop_table(table)
