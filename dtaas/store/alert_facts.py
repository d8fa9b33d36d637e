"""What alert rules need to know of executions, in one reading."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, case, func, select

from dtaas.model.execution import Execution, ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.store.database import Database
from dtaas.store.executions import execution_of
from dtaas.store.tables import task_executions

_BAD: Final = (ExecutionStatus.FAILED.value, ExecutionStatus.PARTIAL.value)


class ExecutionCounts(Struct, frozen=True, kw_only=True):
    """Executions of a task that ended within a time. `bad` failed or left tables out."""

    ended: int
    bad: int


class AlertFacts(Struct, frozen=True, kw_only=True):
    """Executions as alert rules look at them, by task.

    Attributes:
        latest: the latest execution that has ended.
        succeeded_at: when one last completed.
        counts: over the time asked for.
    """

    latest: dict[TaskId, Execution]
    succeeded_at: dict[TaskId, datetime]
    counts: dict[TaskId, ExecutionCounts]


class AlertFactsRepository:
    """Reads the facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, since: datetime) -> AlertFacts:
        """Return the facts; the counts from `since` on."""
        return await self._database.read(lambda c: _facts(c, since))


def _facts(connection: Connection, since: datetime) -> AlertFacts:
    executions = task_executions.c
    newest = (
        select(func.max(executions.id))
        .where(executions.status != ExecutionStatus.RUNNING.value)
        .group_by(executions.task_id)
    )
    latest = map(
        execution_of,
        connection.execute(select(task_executions).where(executions.id.in_(newest))),
    )
    succeeded = connection.execute(
        select(executions.task_id, func.max(executions.completed_at).label("at"))
        .where(executions.status == ExecutionStatus.COMPLETED.value)
        .group_by(executions.task_id)
    )
    counted = connection.execute(
        select(
            executions.task_id,
            func.count().label("ended"),
            func.count(case((executions.status.in_(_BAD), 1))).label("bad"),
        )
        .where(
            executions.completed_at >= since,
            executions.status.in_([*_BAD, ExecutionStatus.COMPLETED.value]),
        )
        .group_by(executions.task_id)
    )
    return AlertFacts(
        latest={execution.task_id: execution for execution in latest},
        succeeded_at={TaskId(row.task_id): row.at for row in succeeded},
        counts={
            TaskId(row.task_id): ExecutionCounts(ended=row.ended, bad=row.bad) for row in counted
        },
    )
