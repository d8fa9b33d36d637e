"""Streams of changes, and what the tables of an execution show of them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table, and add the columns."""
    op.create_table(
        "streams",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("table_schema", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("position", sa.LargeBinary(), nullable=False),
        sa.Column("applied", sa.LargeBinary(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False),
        sa.Column("intent", sa.Text(), nullable=True),
        sa.Column("verified_through", sa.LargeBinary(), nullable=True),
        sa.Column("watermark", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["tasks.id"],
            name=op.f("fk_streams_task_id_tasks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "table_schema", "table_name", name=op.f("pk_streams")),
    )
    op.add_column("table_executions", sa.Column("lag_s", sa.Double(), nullable=True))
    op.add_column("table_executions", sa.Column("position", sa.String(20), nullable=True))
    op.add_column(
        "table_executions",
        sa.Column("changes", sa.BigInteger(), nullable=False, server_default="0"),
    )
