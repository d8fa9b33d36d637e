"""Schedules with cron, zone, blackouts and what else a start depends on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the details of a task's schedule; what was stored has none."""
    op.add_column("tasks", sa.Column("schedule", sa.Text(), nullable=False, server_default="{}"))
