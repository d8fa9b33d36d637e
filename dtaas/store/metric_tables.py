"""Tables of figures over time: samples, and what they add up to."""

from sqlalchemy import BigInteger, Column, Double, Index, Integer, String, Table

from dtaas.store.tables import BigId, UtcDateTime, metadata

system_metrics = Table(
    "system_metrics",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("metric_name", String(100), nullable=False),
    Column("metric_value", Double, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False, index=True),
    # No key: what a task moved stays counted when it is gone.
    Column("task_id", BigId),
    Index("ix_system_metrics_metric_name_recorded_at", "metric_name", "recorded_at"),
)

metric_rollups = Table(
    "metric_rollups",
    metadata,
    Column("level_s", Integer, primary_key=True, autoincrement=False),
    Column("metric_name", String(100), primary_key=True),
    # How many lengths of the level passed since 1970.
    Column("bucket", BigInteger, primary_key=True, autoincrement=False),
    # 0 of the whole service. No key: what a task moved stays counted when it is gone.
    Column("task_id", BigId, primary_key=True, autoincrement=False),
    Column("total", Double, nullable=False),
    Column("least", Double, nullable=False),
    Column("most", Double, nullable=False),
    Column("samples", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
