"""Figures over all tasks, for the first page."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, bindparam, case, func, or_, select

from dtaas.model.connectors import TestStatus
from dtaas.model.execution import ExecutionStatus
from dtaas.model.task import TaskStatus
from dtaas.store.database import Database
from dtaas.store.executions import is_running
from dtaas.store.tables import connectors, task_executions, tasks

_DAY: Final = timedelta(hours=24)
_MB: Final = 1_000_000


class DashboardFigures(Struct, frozen=True, kw_only=True):
    """Counts now and over the last 24 hours.

    Attributes:
        tasks_by_status: every status, those without a task as 0.
        connectors_failing: active ones whose last test failed.
        running: executions without a final state.
        completed_24h: executions that ended in this state in the last 24 hours; likewise the
            other three.
        rows_24h: rows moved by executions that ended in the last 24 hours or still run.
        data_mb_24h: megabytes (10^6) of Arrow data of the same executions.
    """

    tasks: int
    tasks_by_status: Mapping[TaskStatus, int]
    connectors: int
    connectors_failing: int
    running: int
    completed_24h: int
    partial_24h: int
    failed_24h: int
    stopped_24h: int
    rows_24h: int
    data_mb_24h: float


class DashboardRepository:
    """Counts over tasks, connectors and executions."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def figures(self) -> DashboardFigures:
        """Return all figures of one moment."""
        return await self._database.read(lambda c: _figures(c, self._now() - _DAY))


def _count_if(condition: Any) -> Any:
    return func.count(case((condition, 1)))


# Made once: to put one together takes longer than to execute it.
_TASKS: Final = select(tasks.c.status, func.count()).group_by(tasks.c.status)
_CONNECTORS: Final = select(
    func.count(),
    _count_if(connectors.c.is_active & (connectors.c.test_status == TestStatus.FAILED.value)),
).select_from(connectors)
_EXECUTIONS: Final = select(
    *(_count_if(task_executions.c.status == s.value).label(s.value) for s in ExecutionStatus),
    func.coalesce(func.sum(task_executions.c.processed_rows), 0).label("rows"),
    func.coalesce(func.sum(task_executions.c.data_size_mb), 0.0).label("data_mb"),
).where(
    or_(
        task_executions.c.completed_at
        >= bindparam("since", type_=task_executions.c.completed_at.type),
        is_running(),
    )
)


def _figures(connection: Connection, since: datetime) -> DashboardFigures:
    counted = connection.execute(_TASKS)
    by_status = dict.fromkeys(TaskStatus, 0) | {TaskStatus(s): n for s, n in counted}
    all_connectors, failing_connectors = connection.execute(_CONNECTORS).one()
    recent = connection.execute(_EXECUTIONS, {"since": since}).one()
    return DashboardFigures(
        tasks=sum(by_status.values()),
        tasks_by_status=by_status,
        connectors=all_connectors,
        connectors_failing=failing_connectors,
        running=recent.running,
        completed_24h=recent.completed,
        partial_24h=recent.partial,
        failed_24h=recent.failed,
        stopped_24h=recent.stopped,
        rows_24h=int(recent.rows),
        data_mb_24h=float(recent.data_mb),
    )
