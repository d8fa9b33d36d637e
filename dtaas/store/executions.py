"""Executions and their tables, as people look at them."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from dtaas.model.errors import NotFoundError
from dtaas.model.execution import (
    Execution,
    ExecutionStatus,
    ExecutionType,
    TablePhase,
    TableProgress,
)
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.schema import TableRef
from dtaas.store.database import Database
from dtaas.store.execution_specs import find_spec, plain_spec
from dtaas.store.page import Page, Window, fetch_page, page_of
from dtaas.store.tables import table_executions, task_executions, tasks
from dtaas.store.tasks import find_task

_SORTABLE: Final = {
    "id": task_executions.c.id,
    "started_at": task_executions.c.started_at,
    "completed_at": task_executions.c.completed_at,
    "duration_seconds": task_executions.c.duration_seconds,
    "processed_rows": task_executions.c.processed_rows,
}
TABLES_AT_ONCE: Final = 250
"""Tables handled in one go, so that the event loop stands still for a few milliseconds at most."""
_TASKS_AT_ONCE: Final = 100
"""Tasks of which the newest executions are read in one go, a thousand or two."""
_STATUSES: Final = {status.value: status for status in ExecutionStatus}
"""By what is stored: thousands are looked up for one answer."""
NEWEST_FIRST: Final = Window(sort="-id")


class ExecutionFilter(Struct, frozen=True, kw_only=True):
    """Which executions to list. No statuses are all statuses."""

    task_id: TaskId | None = None
    statuses: frozenset[ExecutionStatus] = frozenset()


ALL_EXECUTIONS: Final = ExecutionFilter()


class Configuration(Struct, frozen=True, kw_only=True):
    """What an execution was told to do, and how its task is written down now.

    Attributes:
        used: as a task is given to the API; None for an execution that began before this was
            kept.
    """

    execution_id: ExecutionId
    task_id: TaskId
    used: dict[str, Any] | None
    present: dict[str, Any]


class Run(Struct, frozen=True, kw_only=True):
    """An execution in the fewest words."""

    id: ExecutionId
    status: ExecutionStatus
    processed_rows: int
    duration_seconds: float | None


class TaskRuns(Struct, frozen=True, kw_only=True):
    """The newest executions of a task, the oldest of them first."""

    task_id: TaskId
    runs: tuple[Run, ...]


class ExecutionRepository:
    """Reads executions. The engine writes them through `EngineStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, which: ExecutionFilter = ALL_EXECUTIONS, window: Window = NEWEST_FIRST
    ) -> Page[Execution]:
        """Return a page of executions, the newest first unless sorted otherwise."""
        query = select(task_executions)
        if which.task_id is not None:
            query = query.where(task_executions.c.task_id == which.task_id)
        if which.statuses:
            query = query.where(task_executions.c.status.in_([s.value for s in which.statuses]))

        fetched = await self._database.read(
            lambda c: fetch_page(c, query, window, _SORTABLE, task_executions.c.id)
        )
        return await page_of(fetched, window, execution_of)

    async def get(self, execution_id: ExecutionId) -> Execution:
        """Return an execution.

        Raises:
            NotFoundError: no such execution.
        """
        return await self._database.read(lambda c: find_execution(c, execution_id))

    async def tables(self, execution_id: ExecutionId) -> tuple[TableProgress, ...]:
        """Return the tables of an execution in the order they were first recorded.

        Raises:
            NotFoundError: no such execution.
        """

        def work(connection: Connection) -> tuple[TableProgress, ...]:
            find_execution(connection, execution_id)
            return find_tables(connection, execution_id)

        return await self._database.read(work)

    async def configuration(self, execution_id: ExecutionId) -> Configuration:
        """Return what an execution was told, and what it would be told now.

        Raises:
            NotFoundError: no such execution.
        """

        def work(connection: Connection) -> Configuration:
            task_id = find_execution(connection, execution_id).task_id
            return Configuration(
                execution_id=execution_id,
                task_id=task_id,
                used=find_spec(connection, execution_id),
                present=plain_spec(find_task(connection, task_id).spec),
            )

        return await self._database.read(work)

    async def newest_of_each(self, count: int) -> tuple[TaskRuns, ...]:
        """Return the `count` newest executions of every task that ever ran, by id of the task."""

        def work(connection: Connection) -> Iterator[TaskRuns]:
            ids = connection.scalars(select(tasks.c.id).order_by(tasks.c.id)).all()
            # In parts, because the event loop stands still while SQLAlchemy reads one.
            for start in range(0, len(ids), _TASKS_AT_ONCE):
                part = ids[start : start + _TASKS_AT_ONCE]
                rows = connection.execute(_newest(count, tasks.c.id.between(part[0], part[-1])))
                for task_id, runs in groupby(rows, itemgetter(0)):
                    yield TaskRuns(task_id=task_id, runs=tuple(map(_run_of, runs)))

        return await self._database.read(lambda c: tuple(work(c)))


def _newest(count: int, which: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the `count` newest executions of some tasks, by task, then id."""
    found, older = task_executions.c, task_executions.alias("older")
    # By the index of each task's executions, whatever number of them is kept.
    first = (
        select(older.c.id)
        .where(older.c.task_id == tasks.c.id)
        .order_by(older.c.id.desc())
        .limit(1)
        .offset(count - 1)
        .scalar_subquery()
    )
    # Made first, or SQLite would make it anew for each execution.
    oldest = (
        select(tasks.c.id.label("task_id"), func.coalesce(first, 0).label("id"))
        .where(which)
        .cte("oldest")
        .prefix_with("MATERIALIZED")
    )
    return (
        select(found.task_id, found.id, found.status, found.processed_rows, found.duration_seconds)
        .join(oldest, found.task_id == oldest.c.task_id)
        .where(found.id >= oldest.c.id)
        .order_by(found.task_id, found.id)
    )


def _run_of(row: Sequence[Any]) -> Run:
    _, execution_id, status, processed_rows, duration_seconds = row
    return Run(
        id=execution_id,
        status=_STATUSES[status],
        processed_rows=processed_rows,
        duration_seconds=duration_seconds,
    )


def is_running() -> ColumnElement[bool]:
    """Return the condition on executions that go on, by the index of when they ended."""
    found = task_executions.c
    return and_(found.completed_at.is_(None), found.status == ExecutionStatus.RUNNING.value)


def find_execution(connection: Connection, execution_id: ExecutionId) -> Execution:
    """Return an execution inside a transaction under way.

    Raises:
        NotFoundError: no such execution.
    """
    row = connection.execute(
        select(task_executions).where(task_executions.c.id == execution_id)
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no execution {execution_id}.")
    return execution_of(row)


def find_tables(connection: Connection, execution_id: ExecutionId) -> tuple[TableProgress, ...]:
    """Return the tables of an execution in the order they were first recorded."""
    # In parts, because the event loop stands still while SQLAlchemy reads one.
    query = (
        select(table_executions)
        .where(table_executions.c.execution_id == execution_id)
        .order_by(table_executions.c.id)
        .limit(TABLES_AT_ONCE)
    )
    tables: list[TableProgress] = []
    rows = connection.execute(query).all()
    while rows:
        tables += map(_table, rows)
        rows = connection.execute(query.where(table_executions.c.id > rows[-1].id)).all()
    return tuple(tables)


def execution_of(row: Row[Any]) -> Execution:
    """Return a row of `task_executions` as what it means."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    values["id"] = ExecutionId(row.id)
    values["task_id"] = TaskId(row.task_id)
    values["execution_type"] = ExecutionType(row.execution_type)
    values["status"] = ExecutionStatus(row.status)
    return Execution(**values)


def table_values(progress: TableProgress) -> dict[str, Any]:
    """Return the columns of `table_executions` for a table's state."""
    values = {name: getattr(progress, name) for name in progress.__struct_fields__}
    table: TableRef = values.pop("table")
    del values["queued_batches"]  # of the moment: nothing is queued of what is read back
    values |= {
        "table_schema": table.schema,
        "table_name": table.name,
        "phase": progress.phase.value,
    }
    return values


def _table(row: Row[Any]) -> TableProgress:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name
    del values["id"], values["execution_id"]
    values["table"] = TableRef(values.pop("table_schema"), values.pop("table_name"))
    values["phase"] = TablePhase(row.phase)
    values["load_id"] = None if row.load_id is None else LoadId(row.load_id)
    return TableProgress(**values)
