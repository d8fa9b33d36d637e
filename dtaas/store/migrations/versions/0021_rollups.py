"""Sums of samples, so that a chart of a week does not read all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LEVELS_S = (300, 3600, 14_400)


def upgrade() -> None:
    """Make the table and fill it from the samples, each level from the one before."""
    op.create_table(
        "metric_rollups",
        sa.Column("level_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metric_name", sa.String(100), nullable=False),
        sa.Column("bucket", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("task_id", ID, autoincrement=False, nullable=False),
        sa.Column("total", sa.Double(), nullable=False),
        sa.Column("least", sa.Double(), nullable=False),
        sa.Column("most", sa.Double(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "level_s", "metric_name", "bucket", "task_id", name=op.f("pk_metric_rollups")
        ),
        sqlite_with_rowid=False,
    )
    seconds = "CAST(floor(extract(epoch FROM recorded_at)) AS bigint)"
    if op.get_bind().dialect.name == "sqlite":
        seconds = "CAST(strftime('%s', substr(recorded_at, 1, 19)) AS INTEGER)"
    finest, *longer = _LEVELS_S
    op.execute(
        f"INSERT INTO metric_rollups SELECT {finest}, metric_name, {seconds} / {finest} AS length,"  # noqa: S608 - ours
        " coalesce(task_id, 0) AS task, sum(metric_value), min(metric_value), max(metric_value),"
        " count(*) FROM system_metrics GROUP BY metric_name, length, task"
    )
    for shorter, level_s in zip(_LEVELS_S, longer, strict=False):
        op.execute(
            f"INSERT INTO metric_rollups SELECT {level_s}, metric_name,"  # noqa: S608 - numbers
            f" bucket / {level_s // shorter} AS length, task_id, sum(total), min(least), max(most),"
            f" sum(samples) FROM metric_rollups WHERE level_s = {shorter}"
            " GROUP BY metric_name, length, task_id"
        )
