"""Create the tables of pgqueuer with its own installation script.

If a later version of pgqueuer changes its schema, add a migration that runs `Queries.upgrade`.
"""

from alembic import op
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _run(script: str) -> None:
    # The script has several statements, which asyncpg runs as one simple query; SQLAlchemy would
    # prepare it, which allows a single statement only.
    connection = op.get_bind().connection.dbapi_connection
    assert connection is not None
    connection.run_async(lambda driver: driver.execute(script))


def upgrade() -> None:
    _run(QueryBuilderEnvironment().build_install_query())


def downgrade() -> None:
    _run(QueryBuilderEnvironment().build_uninstall_query())
