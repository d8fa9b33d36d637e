"""Tables by pattern and names by template."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column; old tasks have no rules."""
    op.add_column("tasks", sa.Column("table_rules", sa.Text(), nullable=False, server_default="{}"))
