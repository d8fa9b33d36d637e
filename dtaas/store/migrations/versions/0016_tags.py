"""Tasks have tags and an owner."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add two columns; tasks that are there have neither."""
    op.add_column("tasks", sa.Column("tags", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("tasks", sa.Column("owner", sa.String(200), nullable=False, server_default=""))
