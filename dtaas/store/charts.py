"""What happened over time, in buckets: rows by task, and how executions ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, Subquery, case, func, or_, select

from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.store.database import Database
from dtaas.store.executions import is_running
from dtaas.store.rollups import grains, unix_s
from dtaas.store.tables import task_executions, tasks

TASK_ROWS: Final = "task_rows_per_second"
TASK_MB: Final = "task_mb_per_second"
"""Sampled of every task that moves something, and of no other."""


NAMED: Final = 5
"""So many of the busiest tasks have a curve of their own."""


class TaskSum(Struct, frozen=True, kw_only=True):
    """The sums of the samples of a task in one bucket.

    Attributes:
        place: among the tasks by rows, from 1 on; `NAMED` + 1 for all others together.
        task_id: any of them for the others.
        task_name: empty when the task is gone.
        bucket: how many lengths of a bucket passed since 1970.
    """

    place: int
    task_id: TaskId
    task_name: str
    bucket: int
    rows: float
    mb: float


class EndedCount(Struct, frozen=True, kw_only=True):
    """How many executions ended in a state in one bucket; see `TaskSum`."""

    status: ExecutionStatus
    bucket: int
    count: int


class ChartRepository:
    """Sums and counts in the database: what leaves it is as long as a chart is wide."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sums(self, since_s: int, until_s: int, bucket_s: int) -> Sequence[TaskSum]:
        """Return the sums of the busiest tasks and of all others, by place, then bucket.

        Args:
            since_s, until_s: since 1970, whole multiples of `bucket_s`.
        """

        def work(connection: Connection) -> list[TaskSum]:
            found = grains(connection, (TASK_ROWS, TASK_MB), since_s, until_s, bucket_s)
            curves = _curves(found)
            # The names come to the curves, which are few, and not to the samples.
            name = func.coalesce(tasks.c.name, "").label("task_name")
            rows = connection.execute(
                select(curves, name)
                .join_from(curves, tasks, tasks.c.id == curves.c.task_id, isouter=True)
                .order_by(curves.c.place, curves.c.bucket)
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
        # SQLite would read all executions in the order of tasks, or all that began before `until`:
        # so the order comes later, and it is not told that `started_at` is never null.
        at_work = (
            select(found.task_id)
            .where(
                func.coalesce(found.started_at, until) < until,
                or_(found.completed_at >= since, is_running()),
            )
            .cte("at_work")
            .prefix_with("MATERIALIZED")
        )
        query = select(at_work.c.task_id).distinct().order_by(at_work.c.task_id)
        return await self._database.read(lambda c: [TaskId(i) for i in c.execute(query).scalars()])


def _curves(found: Subquery) -> Subquery:
    """Return the sums of each place in each bucket; see `TaskSum` and `grains`."""
    rows, mb = (
        func.sum(case((found.c.name == name, found.c.total), else_=0.0))
        for name in (TASK_ROWS, TASK_MB)
    )
    sums = (
        select(found.c.task_id, found.c.bucket, rows.label("rows"), mb.label("mb"))
        .where(found.c.task_id > 0)
        .group_by(found.c.task_id, found.c.bucket)
        .cte("sums")
    )
    rank = func.row_number().over(order_by=(func.sum(sums.c.rows).desc(), sums.c.task_id))
    places = (
        select(sums.c.task_id, case((rank > NAMED, NAMED + 1), else_=rank).label("place"))
        .group_by(sums.c.task_id)
        .cte("places")
    )
    return (
        select(
            places.c.place,
            func.min(places.c.task_id).label("task_id"),
            sums.c.bucket,
            func.sum(sums.c.rows).label("rows"),
            func.sum(sums.c.mb).label("mb"),
        )
        .join_from(sums, places, places.c.task_id == sums.c.task_id)
        .group_by(places.c.place, sums.c.bucket)
        .subquery("curves")
    )
