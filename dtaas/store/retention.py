"""Forgets what is older than it is kept, in short transactions."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, Table, delete, func, select

from dtaas.model.execution import ExecutionStatus
from dtaas.store.database import Database
from dtaas.store.tables import execution_logs, task_executions

_AT_ONCE_ROWS: Final = 2_000


class Retention:
    """Deletes old rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_logs(self, before: datetime) -> int:
        """Remove the log lines of executions from before a moment and return how many."""
        return await self._forget(
            execution_logs, select(execution_logs.c.id).where(execution_logs.c.at < before)
        )

    async def forget_executions(self, before: datetime, *, keep: int) -> int:
        """Remove executions that ended before a moment, with their tables and logs.

        Args:
            keep: newest executions of each task that stay however old they are.
        """
        rank = (
            func.row_number()
            .over(partition_by=task_executions.c.task_id, order_by=task_executions.c.id.desc())
            .label("rank")
        )
        ranked = select(
            task_executions.c.id, task_executions.c.status, task_executions.c.completed_at, rank
        ).subquery()
        return await self._forget(
            task_executions,
            select(ranked.c.id).where(
                ranked.c.rank > keep,
                ranked.c.completed_at < before,
                ranked.c.status != ExecutionStatus.RUNNING.value,
            ),
        )

    async def _forget(self, table: Table, which: Select[Any]) -> int:
        statement = delete(table).where(table.c.id.in_(which.limit(_AT_ONCE_ROWS)))
        gone = 0
        while True:
            done = await self._database.write(lambda c: c.execute(statement).rowcount)
            gone += done
            if done < _AT_ONCE_ROWS:
                return gone
