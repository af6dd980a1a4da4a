"""pgqueuer's own tables, exactly as the installed pgqueuer makes them.

A later pgqueuer that changes its schema brings a migration that runs its `Queries.upgrade`.
"""

from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _run(script: str) -> None:
    # Several statements with a function body among them: asyncpg takes them as one simple query,
    # SQLAlchemy's prepared statements would not.
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda driver: driver.execute(script))


def upgrade() -> None:
    _run(QueryBuilderEnvironment().build_install_query())


def downgrade() -> None:
    _run(QueryBuilderEnvironment().build_uninstall_query())
