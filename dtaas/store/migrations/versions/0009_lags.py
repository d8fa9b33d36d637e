"""What the tables of an execution show of their lag."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_COUNTS = ("inserts", "updates", "deletes")
_SECONDS = ("source_lag_s", "read_lag_s", "destination_lag_s", "retention_margin_h")


def upgrade() -> None:
    """Add the columns."""
    for name in _COUNTS:
        op.add_column(
            "table_executions",
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"),
        )
    for name in _SECONDS:
        op.add_column("table_executions", sa.Column(name, sa.Double(), nullable=True))
    op.add_column("table_executions", sa.Column("warning", sa.Text(), nullable=True))
