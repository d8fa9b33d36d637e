"""What is kept of days gone by that alert rules look at."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import select

from dtaas.model.execution import ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.store.database import Database
from dtaas.store.tables import schema_changes, task_executions

MOST: Final = 5_000
"""Executions read at most: the event loop stands still meanwhile."""


class EndedExecution(Struct, frozen=True, kw_only=True):
    """How an execution ended, and when."""

    task_id: TaskId
    at: datetime
    status: ExecutionStatus
    error_code: str | None
    schema_changes: int


class SeenChange(Struct, frozen=True, kw_only=True):
    """A change of a source table's columns."""

    task_id: TaskId
    at: datetime


class AlertPastRepository:
    """Reads the past."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def executions(self, since: datetime, task_id: TaskId | None) -> Sequence[EndedExecution]:
        """Return how executions ended from `since` on, by time: the latest `MOST`."""
        found = task_executions.c
        query = (
            select(
                found.task_id,
                found.completed_at,
                found.status,
                found.error_code,
                found.schema_changes_detected,
            )
            .where(found.completed_at >= since, found.status != ExecutionStatus.RUNNING.value)
            .order_by(found.completed_at.desc(), found.id.desc())
            .limit(MOST)
        )
        if task_id is not None:
            query = query.where(found.task_id == task_id)
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [
            EndedExecution(
                task_id=TaskId(task),
                at=at,
                status=ExecutionStatus(status),
                error_code=code,
                schema_changes=changes or 0,
            )
            for task, at, status, code, changes in reversed(rows)
        ]

    async def changes(self, since: datetime) -> Sequence[SeenChange]:
        """Return when columns changed from `since` on, by time."""
        found = schema_changes.c
        query = (
            select(found.task_id, found.detected_at)
            .where(found.detected_at >= since)
            .order_by(found.detected_at)
            .limit(MOST)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [SeenChange(task_id=TaskId(task), at=at) for task, at in rows]
