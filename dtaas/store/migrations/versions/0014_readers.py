"""What reads each table of an execution, and why it is not the first choice."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("table_executions", sa.Column("reader", sa.String(20), nullable=True))
    op.add_column("table_executions", sa.Column("reader_reason", sa.Text(), nullable=True))
