"""Verifications of tasks and what they found."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "verifications",
        sa.Column("id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("tables", sa.Text(), nullable=False),
        sa.Column("error_code", sa.String(60)),
        sa.Column("error", sa.Text()),
        sa.Column("repaired_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verifications")),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["tasks.id"],
            name=op.f("fk_verifications_task_id_tasks"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_verifications_task_id"), "verifications", ["task_id"])
