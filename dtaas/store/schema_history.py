"""Versions of tables and how they changed: the port `SchemaHistory`, and what people look at."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from dtaas.model.drift import (
    SchemaChange,
    SchemaChangeId,
    SchemaChangeState,
    SchemaVersion,
)
from dtaas.model.drift_ports import SchemaHistory
from dtaas.model.errors import NotFoundError
from dtaas.model.ids import TaskId
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.store.database import Database
from dtaas.store.page import Page, Window, fetch_page
from dtaas.store.tables import schema_changes, schema_versions, task_executions
from dtaas.store.tasks import find_task

_HELD: Final = tuple(state.value for state in SchemaChangeState if state.holds)
_SORTABLE: Final = {"id": schema_changes.c.id, "detected_at": schema_changes.c.detected_at}
_UNDECIDED: Final = (SchemaChangeState.PENDING.value, SchemaChangeState.FAILED.value)
_NEWEST_FIRST: Final = Window(sort="-id")


class UndecidedChanges(Struct, frozen=True, kw_only=True):
    """What waits for somebody's decision in one task.

    Attributes:
        since: when the first of the changes was detected.
        tables: whose columns changed.
    """

    task_id: TaskId
    changes: int
    tables: int
    since: datetime


class SchemaHistories:
    """Stores one row a version and one row a change."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def latest(self, task_id: TaskId, table: TableRef) -> SchemaVersion | None:
        """Return the version recorded last, None before the first."""
        return await self._database.read(lambda c: _latest(c, task_id, table))

    async def record(
        self,
        task_id: TaskId,
        schema: TableSchema,
        position: str | None,
        changes: Sequence[SchemaChange],
    ) -> Sequence[SchemaChange]:
        """Store what a table looks like now and how it came to that, at once."""

        def work(connection: Connection) -> list[SchemaChange]:
            find_task(connection, task_id)
            before = _latest(connection, task_id, schema.table)
            if before is None or before.schema != schema:
                version = 1 if before is None else before.version + 1
                connection.execute(
                    insert(schema_versions).values(
                        task_id=task_id,
                        table_schema=schema.table.schema,
                        table_name=schema.table.name,
                        version=version,
                        recorded_at=self._now(),
                        position=position,
                        columns=msgspec.json.encode(schema.columns).decode(),
                        key=msgspec.json.encode(schema.key).decode(),
                    )
                )
            return [_insert(connection, change) for change in changes]

        return await self._database.write(work)

    async def changes_of(self, task_id: TaskId, table: TableRef) -> Sequence[SchemaChange]:
        """Return all changes of a table, the oldest first."""
        query = (
            select(schema_changes)
            .where(_is(schema_changes, task_id, table))
            .order_by(schema_changes.c.id)
        )
        return await self._database.read(lambda c: [change_of(row) for row in c.execute(query)])

    async def held(self, task_id: TaskId) -> Sequence[SchemaChange]:
        """Return the changes because of which tables of a task stand still, the oldest first."""
        query = (
            select(schema_changes)
            .where(schema_changes.c.task_id == task_id, schema_changes.c.state.in_(_HELD))
            .order_by(schema_changes.c.id)
        )
        return await self._database.read(lambda c: [change_of(row) for row in c.execute(query)])

    async def undecided(self) -> Sequence[UndecidedChanges]:
        """Return the tasks in which changes wait for a decision, by id."""
        columns = schema_changes.c
        query = (
            select(columns.task_id, columns.table_schema, columns.table_name, columns.detected_at)
            .where(columns.state.in_(_UNDECIDED))
            .order_by(columns.task_id, columns.detected_at)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        return [
            UndecidedChanges(
                task_id=TaskId(task_id),
                changes=len(found),
                tables=len({(row.table_schema, row.table_name) for row in found}),
                since=found[0].detected_at,
            )
            for task_id, group in groupby(rows, key=lambda row: row.task_id)
            if (found := list(group))
        ]

    async def revise(self, change: SchemaChange) -> SchemaChange:
        """Store what became of a change.

        Raises:
            NotFoundError: no such change.
        """
        statement = (
            update(schema_changes)
            .where(schema_changes.c.id == change.id, schema_changes.c.task_id == change.task_id)
            .values(state=change.state.value, body=msgspec.json.encode(change).decode())
        )

        def work(connection: Connection) -> bool:
            return connection.execute(statement).rowcount == 1

        if not await self._database.write(work):
            raise _unknown(change.task_id, change.id)
        return change

    async def change(self, task_id: TaskId, change_id: SchemaChangeId) -> SchemaChange:
        """Return one change of a task.

        Raises:
            NotFoundError: the task has none of that id.
        """
        query = select(schema_changes).where(
            schema_changes.c.task_id == task_id, schema_changes.c.id == change_id
        )
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            raise _unknown(task_id, change_id)
        return change_of(row)

    async def page(
        self,
        task_id: TaskId,
        *,
        table: TableRef | None = None,
        states: Sequence[SchemaChangeState] = (),
        window: Window = _NEWEST_FIRST,
    ) -> Page[SchemaChange]:
        """Return a page of a task's changes, the newest first unless sorted otherwise.

        Raises:
            NotFoundError: no such task.
        """
        query = select(schema_changes).where(schema_changes.c.task_id == task_id)
        if table is not None:
            query = query.where(_is(schema_changes, task_id, table))
        if states:
            query = query.where(schema_changes.c.state.in_([s.value for s in states]))

        def work(connection: Connection) -> Page[SchemaChange]:
            find_task(connection, task_id)
            rows, total = fetch_page(connection, query, window, _SORTABLE, schema_changes.c.id)
            items = tuple(map(change_of, rows))
            return Page(items=items, total=total, limit=window.limit, offset=window.offset)

        return await self._database.read(work)

    async def versions(self, task_id: TaskId, table: TableRef | None) -> Sequence[SchemaVersion]:
        """Return the versions of one table or of all, by table, the oldest first.

        Raises:
            NotFoundError: no such task.
        """
        query = select(schema_versions).where(schema_versions.c.task_id == task_id)
        if table is not None:
            query = query.where(_is(schema_versions, task_id, table))
        columns = schema_versions.c
        query = query.order_by(columns.table_schema, columns.table_name, columns.version)

        def work(connection: Connection) -> list[SchemaVersion]:
            find_task(connection, task_id)
            return [_version(row) for row in connection.execute(query)]

        return await self._database.read(work)


def _insert(connection: Connection, change: SchemaChange) -> SchemaChange:
    done = connection.execute(
        insert(schema_changes)
        .values(
            task_id=change.task_id,
            execution_id=change.execution_id,
            table_schema=change.table.schema,
            table_name=change.table.name,
            detected_at=change.detected_at,
            state=change.state.value,
            body=msgspec.json.encode(change).decode(),
        )
        .returning(schema_changes.c.id)
    )
    change = replace(change, id=SchemaChangeId(done.scalar_one()))
    counted = task_executions.c.schema_changes_detected
    if change.execution_id is not None:
        connection.execute(
            update(task_executions)
            .where(task_executions.c.id == change.execution_id)
            .values(schema_changes_detected=counted + 1)
        )
    return change


def _latest(connection: Connection, task_id: TaskId, table: TableRef) -> SchemaVersion | None:
    mine = _is(schema_versions, task_id, table)
    newest = select(func.max(schema_versions.c.version)).where(mine).scalar_subquery()
    query = select(schema_versions).where(mine, schema_versions.c.version == newest)
    row = connection.execute(query).one_or_none()
    return None if row is None else _version(row)


def _is(stored: Any, task_id: TaskId, table: TableRef) -> Any:
    return and_(
        stored.c.task_id == task_id,
        stored.c.table_schema == table.schema,
        stored.c.table_name == table.name,
    )


def change_of(row: Row[Any]) -> SchemaChange:
    """Return a stored change."""
    return replace(msgspec.json.decode(row.body, type=SchemaChange), id=SchemaChangeId(row.id))


def _version(row: Row[Any]) -> SchemaVersion:
    return SchemaVersion(
        table=TableRef(row.table_schema, row.table_name),
        version=row.version,
        recorded_at=row.recorded_at,
        position=row.position,
        columns=msgspec.json.decode(row.columns, type=tuple[Column, ...]),
        key=msgspec.json.decode(row.key, type=tuple[str, ...]),
    )


def _unknown(task_id: TaskId, change_id: SchemaChangeId) -> NotFoundError:
    return NotFoundError(f"Task {task_id} has no schema change {change_id}.")


_: type[SchemaHistory] = SchemaHistories
