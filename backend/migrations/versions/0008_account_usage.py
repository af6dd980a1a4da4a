"""Count the bytes and the recorded time of each account, for its quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_usage",
        sa.Column("therapist_id", sa.Uuid(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("day_s", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("therapist_id", name=op.f("pk_account_usage")),
        sa.ForeignKeyConstraint(
            ["therapist_id"],
            ["users.id"],
            name=op.f("fk_account_usage_therapist_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.execute("""
        INSERT INTO account_usage (therapist_id, stored_bytes, day, day_s)
        SELECT therapist_id, sum(size_bytes), current_date, 0
        FROM sessions WHERE size_bytes IS NOT NULL GROUP BY therapist_id
    """)


def downgrade() -> None:
    op.drop_table("account_usage")
