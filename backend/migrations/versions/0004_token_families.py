"""Create the table of logins, which own the refresh tokens and end after a fixed time."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "token_families",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token_families")),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_token_families_user_id_users"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_token_families_user_id"), "token_families", ["user_id"])
    # 30 days is the default of LOGIN_TTL_S. A family is revoked as a whole.
    op.execute("""
        INSERT INTO token_families (id, user_id, created_at, expires_at, revoked_at)
        SELECT family_id, user_id, min(created_at), min(created_at) + interval '30 days',
               min(revoked_at)
        FROM refresh_tokens GROUP BY family_id, user_id
    """)
    op.create_foreign_key(
        op.f("fk_refresh_tokens_family_id_token_families"),
        "refresh_tokens",
        "token_families",
        ["family_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.drop_column("refresh_tokens", "user_id")
    op.drop_column("refresh_tokens", "revoked_at")


def downgrade() -> None:
    op.add_column("refresh_tokens", sa.Column("user_id", sa.Uuid()))
    op.add_column("refresh_tokens", sa.Column("revoked_at", sa.DateTime(timezone=True)))
    op.execute("""
        UPDATE refresh_tokens SET user_id = family.user_id, revoked_at = family.revoked_at
        FROM token_families AS family WHERE family.id = family_id
    """)
    op.alter_column("refresh_tokens", "user_id", nullable=False)
    op.create_foreign_key(
        op.f("fk_refresh_tokens_user_id_users"),
        "refresh_tokens",
        "users",
        ["user_id"],
        ["id"],
        ondelete="CASCADE",
    )
    op.create_index(op.f("ix_refresh_tokens_user_id"), "refresh_tokens", ["user_id"])
    op.drop_constraint(
        op.f("fk_refresh_tokens_family_id_token_families"), "refresh_tokens", type_="foreignkey"
    )
    op.drop_table("token_families")
