"""Schema drift: a policy per task, the versions of tables and how they changed."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add columns and tables; tasks that are there go on following DDL, as they did."""
    op.add_column(
        "tasks",
        sa.Column("schema_drift_policy", sa.String(20), nullable=False, server_default="evolve"),
    )
    for name in ("schema_drift_approval", "backfill_new_columns"):
        column: sa.Column[bool] = sa.Column(
            name, sa.Boolean(), nullable=False, server_default=sa.false()
        )
        op.add_column("tasks", column)
    op.execute(sa.text("UPDATE tasks SET handle_schema_drift = :yes").bindparams(yes=True))
    _create_changes()
    op.create_table(
        "schema_versions",
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("table_schema", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.Text()),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(
            "task_id", "table_schema", "table_name", "version", name=op.f("pk_schema_versions")
        ),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["tasks.id"],
            name=op.f("fk_schema_versions_task_id_tasks"),
            ondelete="CASCADE",
        ),
    )


def _create_changes() -> None:
    op.create_table(
        "schema_changes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("task_id", _ID, nullable=False),
        sa.Column("execution_id", sa.BigInteger()),
        sa.Column("table_schema", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema_changes")),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["tasks.id"],
            name=op.f("fk_schema_changes_task_id_tasks"),
            ondelete="CASCADE",
        ),
    )
    op.create_index(op.f("ix_schema_changes_task_id"), "schema_changes", ["task_id"])
