"""Comparisons of stored positions with those at the targets."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the table, and order a comparison for tasks of a backup that was just restored."""
    op.create_table(
        "position_reviews",
        sa.Column(
            "task_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.ForeignKey("tasks.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("review", sa.Text(), nullable=False),
    )
    op.execute(
        "INSERT INTO position_reviews (task_id, state, review) SELECT id, 'pending', '{}'"
        " FROM tasks WHERE last_error_code = 'restored_from_backup'"
    )
