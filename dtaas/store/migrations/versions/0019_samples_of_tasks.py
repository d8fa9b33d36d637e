"""Samples may be of one task."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add a column; the samples that are there are of the whole service."""
    op.add_column("system_metrics", sa.Column("task_id", ID, nullable=True))
