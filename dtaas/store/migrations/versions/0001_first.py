"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make every table."""
    _connectors()
    _installation()
    _system_metrics()
    _tasks()
    _checkpoints()
    _loads()
    _task_executions()
    _chunks()
    _table_executions()


def _connectors() -> None:
    op.create_table(
        "connectors",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("connector_type", sa.String(length=20), nullable=False),
        sa.Column("source_type", sa.String(length=50), nullable=True),
        sa.Column("destination_type", sa.String(length=50), nullable=True),
        sa.Column("connection_config", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("last_tested_at", TIME, nullable=True),
        sa.Column("test_status", sa.String(length=20), nullable=False),
        sa.Column("test_report", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connectors")),
        sa.UniqueConstraint("name", name=op.f("uq_connectors_name")),
        sqlite_autoincrement=True,
    )


def _installation() -> None:
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("installation_id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )


def _system_metrics() -> None:
    op.create_table(
        "system_metrics",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("metric_name", sa.String(length=100), nullable=False),
        sa.Column("metric_value", sa.Double(), nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_system_metrics")),
    )
    op.create_index(
        "ix_system_metrics_metric_name_recorded_at",
        "system_metrics",
        ["metric_name", "recorded_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_system_metrics_recorded_at"), "system_metrics", ["recorded_at"], unique=False
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("source_connector_id", ID, nullable=False),
        sa.Column("destination_connector_id", ID, nullable=False),
        sa.Column("source_tables", sa.Text(), nullable=False),
        sa.Column("table_mappings", sa.Text(), nullable=False),
        sa.Column("mode", sa.String(length=30), nullable=False),
        sa.Column("batch_size_mb", sa.Integer(), nullable=False),
        sa.Column("batch_rows", sa.Integer(), nullable=False),
        sa.Column("schedule_type", sa.String(length=20), nullable=False),
        sa.Column("schedule_interval_seconds", sa.Integer(), nullable=True),
        sa.Column("s3_file_format", sa.String(length=20), nullable=False),
        sa.Column("transformations", sa.Text(), nullable=False),
        sa.Column("handle_schema_drift", sa.Boolean(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("desired", sa.String(length=20), nullable=False),
        sa.Column("current_progress_percent", sa.Double(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("last_run_at", TIME, nullable=True),
        sa.Column("cdc_enabled_tables", sa.Text(), nullable=False),
        sa.Column("last_cdc_poll_at", TIME, nullable=True),
        sa.Column("last_error_code", sa.String(length=100), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["destination_connector_id"],
            ["connectors.id"],
            name=op.f("fk_tasks_destination_connector_id_connectors"),
        ),
        sa.ForeignKeyConstraint(
            ["source_connector_id"],
            ["connectors.id"],
            name=op.f("fk_tasks_source_connector_id_connectors"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("name", name=op.f("uq_tasks_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tasks_desired"), "tasks", ["desired"], unique=False)
    op.create_index(
        op.f("ix_tasks_destination_connector_id"),
        "tasks",
        ["destination_connector_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_tasks_source_connector_id"), "tasks", ["source_connector_id"], unique=False
    )
    op.create_index(op.f("ix_tasks_status"), "tasks", ["status"], unique=False)


def _checkpoints() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("table_schema", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("position", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_checkpoints_task_id_tasks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "task_id", "table_schema", "table_name", name=op.f("pk_checkpoints")
        ),
    )


def _loads() -> None:
    op.create_table(
        "loads",
        sa.Column("load_id", sa.String(length=32), nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("execution_id", ID, nullable=False),
        sa.Column("committed_in", ID, nullable=True),
        sa.Column("table_schema", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("files", sa.Integer(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_loads_task_id_tasks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("load_id", name=op.f("pk_loads")),
    )
    op.create_index(op.f("ix_loads_committed_in"), "loads", ["committed_in"], unique=False)
    op.create_index("ix_loads_task_id", "loads", ["task_id"], unique=False)
    op.create_index(
        "uq_loads_open",
        "loads",
        ["task_id", "table_schema", "table_name"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )


def _task_executions() -> None:
    op.create_table(
        "task_executions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("execution_type", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("total_rows", sa.BigInteger(), nullable=True),
        sa.Column("processed_rows", sa.BigInteger(), nullable=False),
        sa.Column("failed_rows", sa.BigInteger(), nullable=False),
        sa.Column("progress_percent", sa.Double(), nullable=False),
        sa.Column("rows_per_second", sa.Double(), nullable=False),
        sa.Column("data_size_mb", sa.Double(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("completed_at", TIME, nullable=True),
        sa.Column("duration_seconds", sa.Double(), nullable=True),
        sa.Column("error_code", sa.String(length=100), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("cdc_lsn_start", sa.String(length=20), nullable=True),
        sa.Column("cdc_lsn_end", sa.String(length=20), nullable=True),
        sa.Column("schema_changes_detected", sa.Integer(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["tasks.id"],
            name=op.f("fk_task_executions_task_id_tasks"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_executions")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_task_executions_completed_at"), "task_executions", ["completed_at"], unique=False
    )
    op.create_index(
        op.f("ix_task_executions_started_at"), "task_executions", ["started_at"], unique=False
    )
    op.create_index(
        "ix_task_executions_task_id_id", "task_executions", ["task_id", "id"], unique=False
    )
    op.create_index(
        "uq_task_executions_running",
        "task_executions",
        ["task_id"],
        unique=True,
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )


def _chunks() -> None:
    op.create_table(
        "chunks",
        sa.Column("load_id", sa.String(length=32), nullable=False),
        sa.Column("chunk_index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("saved_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["load_id"], ["loads.load_id"], name=op.f("fk_chunks_load_id_loads"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("load_id", "chunk_index", name=op.f("pk_chunks")),
    )


def _table_executions() -> None:
    op.create_table(
        "table_executions",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("execution_id", ID, nullable=False),
        sa.Column("table_schema", sa.Text(), nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("phase", sa.String(length=20), nullable=False),
        sa.Column("rows_done", sa.BigInteger(), nullable=False),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        sa.Column("total_is_estimate", sa.Boolean(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("written_bytes", sa.BigInteger(), nullable=False),
        sa.Column("rows_s", sa.Double(), nullable=False),
        sa.Column("mb_s", sa.Double(), nullable=False),
        sa.Column("eta_s", sa.Double(), nullable=True),
        sa.Column("chunks_done", sa.Integer(), nullable=False),
        sa.Column("chunks_total", sa.Integer(), nullable=True),
        sa.Column("rejected", sa.BigInteger(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("error_code", sa.String(length=100), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=True),
        sa.Column("load_id", sa.String(length=32), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("completed_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["execution_id"],
            ["task_executions.id"],
            name=op.f("fk_table_executions_execution_id_task_executions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_table_executions")),
        sa.UniqueConstraint(
            "execution_id",
            "table_schema",
            "table_name",
            name=op.f("uq_table_executions_execution_id_table_schema_table_name"),
        ),
    )
