"""Let therapists take turns in the job queue, and count the workers that a job has ended.

`therapist_id` has a default, so that a service of the previous version can still queue jobs while
it is replaced; such jobs share one turn.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NO_THERAPIST = sa.text("'00000000-0000-0000-0000-000000000000'")


def upgrade() -> None:
    op.add_column(
        "pgqueuer",
        sa.Column("therapist_id", sa.Uuid(), server_default=_NO_THERAPIST, nullable=False),
    )
    op.add_column(
        "pgqueuer", sa.Column("crashes", sa.Integer(), server_default="0", nullable=False)
    )
    op.execute(
        "UPDATE pgqueuer SET therapist_id = sessions.therapist_id FROM sessions"
        " WHERE pgqueuer.payload = uuid_send(sessions.id)"
    )
    op.create_index(
        "pgqueuer_therapist_idx",
        "pgqueuer",
        ["therapist_id", "id"],
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_table(
        "job_turns",
        sa.Column("therapist_id", sa.Uuid(), nullable=False),
        sa.Column("served_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("therapist_id", name=op.f("pk_job_turns")),
        prefixes=["UNLOGGED"],  # after a crash all therapists are equal again
    )


def downgrade() -> None:
    op.drop_table("job_turns")
    op.drop_index("pgqueuer_therapist_idx", "pgqueuer")
    op.drop_column("pgqueuer", "crashes")
    op.drop_column("pgqueuer", "therapist_id")
