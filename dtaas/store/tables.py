"""Tables of the metadata database, the same on SQLite and PostgreSQL.

They follow the migrations, which are what makes the tables; a test compares the two.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC with microseconds. SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC. A naive one is a mistake of the caller."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment with its zone, UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigId = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite gives out row ids for a column declared exactly INTEGER PRIMARY KEY."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[Any]:
    return Column("id", BigId, primary_key=True, autoincrement=True)


def _task_id() -> Column[Any]:
    return Column("task_id", BigId, ForeignKey("tasks.id", ondelete="CASCADE"), nullable=False)


installation = Table(
    "installation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("installation_id", String(32), nullable=False),
    Column("key_id", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

connectors = Table(
    "connectors",
    metadata,
    _id(),
    Column("name", String(200), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("connector_type", String(20), nullable=False),
    Column("source_type", String(50)),
    Column("destination_type", String(50)),
    Column("connection_config", Text, nullable=False),
    Column("secrets", LargeBinary),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_tested_at", UtcDateTime),
    Column("test_status", String(20), nullable=False),
    Column("test_report", Text),
    # An id that was deleted never comes back: markers in destinations name it.
    sqlite_autoincrement=True,
)

tasks = Table(
    "tasks",
    metadata,
    _id(),
    Column("name", String(200), nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("source_connector_id", BigId, ForeignKey("connectors.id"), nullable=False, index=True),
    Column(
        "destination_connector_id", BigId, ForeignKey("connectors.id"), nullable=False, index=True
    ),
    Column("source_tables", Text, nullable=False),
    Column("table_rules", Text, nullable=False, server_default="{}"),
    Column("table_mappings", Text, nullable=False),
    Column("mode", String(30), nullable=False),
    Column("batch_size_mb", Integer, nullable=False),
    Column("batch_rows", Integer, nullable=False),
    Column("schedule_type", String(20), nullable=False),
    Column("schedule_interval_seconds", Integer),
    Column("schedule", Text, nullable=False, server_default="{}"),
    Column("s3_file_format", String(20), nullable=False),
    Column("transformations", Text, nullable=False),
    Column("handle_schema_drift", Boolean, nullable=False),
    Column("schema_drift_policy", String(20), nullable=False, server_default="evolve"),
    Column("schema_drift_approval", Boolean, nullable=False, server_default=false()),
    Column("backfill_new_columns", Boolean, nullable=False, server_default=false()),
    Column("tags", Text, nullable=False, server_default="[]"),
    Column("owner", String(200), nullable=False, server_default=""),
    Column("options", Text, nullable=False),
    Column("status", String(20), nullable=False, index=True),
    Column("desired", String(20), nullable=False, index=True),
    Column("current_progress_percent", Double, nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("last_run_at", UtcDateTime),
    Column("cdc_enabled_tables", Text, nullable=False),
    Column("last_cdc_poll_at", UtcDateTime),
    Column("last_error_code", String(100)),
    Column("last_error", Text),
    sqlite_autoincrement=True,
)

task_executions = Table(
    "task_executions",
    metadata,
    _id(),
    _task_id(),
    Column("execution_type", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("total_rows", BigInteger),
    Column("processed_rows", BigInteger, nullable=False),
    Column("failed_rows", BigInteger, nullable=False),
    Column("progress_percent", Double, nullable=False),
    Column("rows_per_second", Double, nullable=False),
    Column("data_size_mb", Double, nullable=False),
    Column("started_at", UtcDateTime, nullable=False, index=True),
    Column("completed_at", UtcDateTime, index=True),
    Column("duration_seconds", Double),
    Column("error_code", String(100)),
    Column("error_message", Text),
    Column("cdc_lsn_start", String(20)),
    Column("cdc_lsn_end", String(20)),
    Column("schema_changes_detected", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("ix_task_executions_task_id_id", "task_id", "id"),
    Index(
        "uq_task_executions_running",
        "task_id",
        unique=True,
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    ),
    sqlite_autoincrement=True,
)

table_executions = Table(
    "table_executions",
    metadata,
    _id(),
    Column(
        "execution_id",
        BigId,
        ForeignKey("task_executions.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("table_schema", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("phase", String(20), nullable=False),
    Column("rows_done", BigInteger, nullable=False),
    Column("rows_total", BigInteger),
    Column("total_is_estimate", Boolean, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("written_bytes", BigInteger, nullable=False),
    Column("rows_s", Double, nullable=False),
    Column("mb_s", Double, nullable=False),
    Column("eta_s", Double),
    Column("chunks_done", Integer, nullable=False),
    Column("chunks_total", Integer),
    Column("rejected", BigInteger, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("error_code", String(100)),
    Column("error", Text),
    Column("hint", Text),
    Column("load_id", String(32)),
    Column("location", Text),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("lag_s", Double),
    Column("position", String(20)),
    Column("changes", BigInteger, nullable=False, server_default="0"),
    Column("inserts", BigInteger, nullable=False, server_default="0"),
    Column("updates", BigInteger, nullable=False, server_default="0"),
    Column("deletes", BigInteger, nullable=False, server_default="0"),
    Column("queries", BigInteger, nullable=False, server_default="0"),
    Column("credits", Double),
    Column("appended_windows", BigInteger, nullable=False, server_default="0"),
    Column("merged_windows", BigInteger, nullable=False, server_default="0"),
    Column("source_lag_s", Double),
    Column("read_lag_s", Double),
    Column("destination_lag_s", Double),
    Column("retention_margin_h", Double),
    Column("warning", Text),
    Column("reader", String(20)),
    Column("reader_reason", Text),
    Column("read_share", Double),
    Column("transform_share", Double),
    Column("write_share", Double),
    Column("loading_at", UtcDateTime),
    Column("loaded_at", UtcDateTime),
    UniqueConstraint("execution_id", "table_schema", "table_name"),
)

execution_specs = Table(
    "execution_specs",
    metadata,
    Column(
        "execution_id",
        BigId,
        ForeignKey("task_executions.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("spec", Text, nullable=False),
)

execution_logs = Table(
    "execution_logs",
    metadata,
    _id(),
    Column(
        "execution_id",
        BigId,
        ForeignKey("task_executions.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("level", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("fields", Text, nullable=False),
    Index("ix_execution_logs_execution_id_id", "execution_id", "id"),
)

kept_items = Table(
    "kept_items",
    metadata,
    Column("kind", String(20), primary_key=True),
    Column("name", String(200), primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

verifications = Table(
    "verifications",
    metadata,
    _id(),
    _task_id(),
    Column("status", String(20), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("completed_at", UtcDateTime),
    Column("tables", Text, nullable=False),
    Column("error_code", String(60)),
    Column("error", Text),
    Column("repaired_at", UtcDateTime),
    Index("ix_verifications_task_id", "task_id"),
)

position_reviews = Table(
    "position_reviews",
    metadata,
    Column("task_id", BigId, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("state", String(20), nullable=False),
    Column("review", Text, nullable=False),
)

schema_changes = Table(
    "schema_changes",
    metadata,
    _id(),
    _task_id(),
    Column("execution_id", BigInteger),
    Column("table_schema", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("detected_at", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_schema_changes_task_id", "task_id"),
)

schema_versions = Table(
    "schema_versions",
    metadata,
    Column("task_id", BigId, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("table_schema", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("position", Text),
    Column("columns", Text, nullable=False),
    Column("key", Text, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("task_id", BigId, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("table_schema", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("position", LargeBinary, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("task_id", BigId, ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True),
    Column("table_schema", Text, primary_key=True),
    Column("table_name", Text, primary_key=True),
    Column("stream", Text, nullable=False),
    Column("position", LargeBinary, nullable=False),
    Column("applied", LargeBinary, nullable=False),
    Column("identity", Text, nullable=False),
    Column("intent", Text),
    Column("verified_through", LargeBinary),
    Column("watermark", Text),
    Column("updated_at", UtcDateTime, nullable=False),
)

loads = Table(
    "loads",
    metadata,
    Column("load_id", String(32), primary_key=True),
    _task_id(),
    Column("execution_id", BigId, nullable=False),
    Column("committed_in", BigId, index=True),
    Column("table_schema", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("state", String(20), nullable=False),
    Column("plan", Text, nullable=False),
    Column("rows", BigInteger),
    Column("bytes", BigInteger),
    Column("files", Integer),
    Column("location", Text),
    Column("created_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
    Index("ix_loads_task_id", "task_id"),
    Index(
        "uq_loads_open",
        "task_id",
        "table_schema",
        "table_name",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)

chunks = Table(
    "chunks",
    metadata,
    Column(
        "load_id", String(32), ForeignKey("loads.load_id", ondelete="CASCADE"), primary_key=True
    ),
    Column("chunk_index", Integer, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("files", Text, nullable=False),
    Column("saved_at", UtcDateTime, nullable=False),
)
