"""What alert rules need to know of executions, in one reading."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TypeVar

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, ScalarSelect, case, func, or_, select

from dtaas.model.drift import SchemaChange, SchemaChangeState
from dtaas.model.execution import Execution, ExecutionStatus
from dtaas.model.ids import TaskId
from dtaas.store.database import Database
from dtaas.store.executions import execution_of
from dtaas.store.schema_history import change_of
from dtaas.store.tables import schema_changes, task_executions, tasks

T = TypeVar("T")
_DAY: Final = timedelta(days=1)
_HELD: Final = tuple(s.value for s in SchemaChangeState if s.holds)
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
        drift: the latest schema change that somebody should know of: one because of which a table
            stands still, else one of the latest day.
    """

    latest: dict[TaskId, Execution]
    succeeded_at: dict[TaskId, datetime]
    counts: dict[TaskId, ExecutionCounts]
    drift: dict[TaskId, SchemaChange] = {}


class AlertFactsRepository:
    """Reads the facts."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def read(self, since: datetime) -> AlertFacts:
        """Return the facts; the counts from `since` on."""
        return await self._database.read(lambda c: _facts(c, since, self._now() - _DAY))


def _facts(connection: Connection, since: datetime, lately: datetime) -> AlertFacts:
    executions = task_executions.c
    newest = _newest(executions.id, executions.status != ExecutionStatus.RUNNING.value)
    latest = map(
        execution_of,
        connection.execute(
            select(task_executions).where(executions.id.in_(select(newest).select_from(tasks)))
        ),
    )
    completed = _newest(
        executions.completed_at, executions.status == ExecutionStatus.COMPLETED.value
    )
    succeeded = connection.execute(select(tasks.c.id, completed.label("at")))
    # Made first, or SQLite would read all executions in the order of tasks.
    ended = (
        select(executions.task_id, executions.status)
        .where(
            executions.completed_at >= since,
            executions.status.in_([*_BAD, ExecutionStatus.COMPLETED.value]),
        )
        .cte("ended")
        .prefix_with("MATERIALIZED")
    )
    counted = connection.execute(
        select(
            ended.c.task_id,
            func.count().label("ended"),
            func.count(case((ended.c.status.in_(_BAD), 1))).label("bad"),
        ).group_by(ended.c.task_id)
    )
    return AlertFacts(
        latest={execution.task_id: execution for execution in latest},
        succeeded_at={TaskId(row.id): row.at for row in succeeded if row.at is not None},
        drift=_drift(connection, lately),
        counts={
            TaskId(row.task_id): ExecutionCounts(ended=row.ended, bad=row.bad) for row in counted
        },
    )


def _newest(what: ColumnElement[T], which: ColumnElement[bool]) -> ScalarSelect[T]:
    """Return something of the newest execution of `tasks` that is so, by the index of each."""
    return (
        select(what)
        .where(task_executions.c.task_id == tasks.c.id, which)
        .order_by(task_executions.c.id.desc())
        .limit(1)
        .correlate(tasks)
        .scalar_subquery()
    )


def _drift(connection: Connection, lately: datetime) -> dict[TaskId, SchemaChange]:
    columns = schema_changes.c
    query = (
        select(schema_changes)
        .where(or_(columns.state.in_(_HELD), columns.detected_at >= lately))
        .order_by(columns.state.in_(_HELD), columns.id)
    )
    found = (change_of(row) for row in connection.execute(query))
    return {change.task_id: change for change in found}  # the last one of each counts
