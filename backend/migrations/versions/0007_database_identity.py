"""Create the table of the database's identity, which marks the storage that belongs to it.

The service writes the row (`app.audio.owner`), so that a copy of a database gets another identity.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "database_identity",
        sa.Column("singleton", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.CheckConstraint("singleton", name=op.f("ck_database_identity_singleton")),
        sa.PrimaryKeyConstraint("singleton", name=op.f("pk_database_identity")),
    )


def downgrade() -> None:
    op.drop_table("database_identity")
