"""What happened over time, in buckets: rows by task, and how executions ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, func, or_, select

from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.store.database import Database
from dtaas.store.metrics import unix_s
from dtaas.store.tables import system_metrics, task_executions, tasks

TASK_ROWS: Final = "task_rows_per_second"
TASK_MB: Final = "task_mb_per_second"
"""Sampled of every task that moves something, and of no other."""


class TaskSum(Struct, frozen=True, kw_only=True):
    """The sum of the samples of a task in one bucket.

    Attributes:
        task_name: empty when the task is gone.
        bucket: how many lengths of a bucket passed since 1970.
    """

    task_id: TaskId
    task_name: str
    metric: str
    bucket: int
    total: float


class EndedCount(Struct, frozen=True, kw_only=True):
    """How many executions ended in a state in one bucket; see `TaskSum`."""

    status: ExecutionStatus
    bucket: int
    count: int


class ChartRepository:
    """Sums and counts in the database: what leaves it is as long as a chart is wide."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sums(self, since: datetime, until: datetime, bucket_s: int) -> Sequence[TaskSum]:
        """Return the sums of the samples of `since <= at < until`."""
        samples = system_metrics.c

        def work(connection: Connection) -> list[TaskSum]:
            bucket = (unix_s(connection, samples.recorded_at) // bucket_s).label("bucket")
            grouped = (
                select(
                    samples.task_id,
                    samples.metric_name.label("metric"),
                    bucket,
                    func.sum(samples.metric_value).label("total"),
                )
                .where(
                    samples.metric_name.in_([TASK_ROWS, TASK_MB]),
                    samples.task_id.is_not(None),
                    samples.recorded_at >= since,
                    samples.recorded_at < until,
                )
                .group_by(samples.task_id, samples.metric_name, bucket)
                .subquery()
            )
            # The names come to the sums, which are few, and not to the samples.
            name = func.coalesce(tasks.c.name, "").label("task_name")
            rows = connection.execute(
                select(grouped, name).join_from(
                    grouped, tasks, tasks.c.id == grouped.c.task_id, isouter=True
                )
            )
            return [TaskSum(**row._mapping) for row in rows]  # noqa: SLF001 - its public name

        return await self._database.read(work)

    async def ended(self, since: datetime, until: datetime, bucket_s: int) -> Sequence[EndedCount]:
        """Return how executions ended in `since <= at < until`."""
        found = task_executions.c

        def work(connection: Connection) -> list[EndedCount]:
            bucket = (unix_s(connection, found.completed_at) // bucket_s).label("bucket")
            rows = connection.execute(
                select(found.status, bucket, func.count().label("count"))
                .where(
                    found.completed_at >= since,
                    found.completed_at < until,
                    found.status != ExecutionStatus.RUNNING.value,
                )
                .group_by(found.status, bucket)
            )
            return [
                EndedCount(status=ExecutionStatus(row[0]), bucket=row[1], count=row[2])
                for row in rows
            ]

        return await self._database.read(work)

    async def tasks_at_work(self, since: datetime, until: datetime) -> Sequence[TaskId]:
        """Return the tasks an execution of which ran at some moment of `since <= at < until`."""
        found = task_executions.c
        query = (
            select(found.task_id)
            .where(
                found.started_at < until,
                or_(
                    found.completed_at >= since,
                    found.status == ExecutionStatus.RUNNING.value,
                ),
            )
            .distinct()
            .order_by(found.task_id)
        )
        return await self._database.read(lambda c: [TaskId(i) for i in c.execute(query).scalars()])
