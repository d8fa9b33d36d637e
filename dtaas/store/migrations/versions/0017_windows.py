"""How windows of changes went into their tables."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the columns."""
    for name in ("appended_windows", "merged_windows"):
        op.add_column(
            "table_executions",
            sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"),
        )
