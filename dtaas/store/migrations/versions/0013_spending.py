"""What the tables of an execution cost at their destination."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "table_executions",
        sa.Column("queries", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.add_column("table_executions", sa.Column("credits", sa.Double(), nullable=True))
