"""Tasks as users write them down and see them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from dtaas.model.connectors import ConnectorRole
from dtaas.model.drift import DriftPolicy
from dtaas.model.errors import (
    NameTakenError,
    NotFoundError,
    TaskRunningError,
    ValidationFailedError,
)
from dtaas.model.ids import ConnectorId, TaskId
from dtaas.model.load import FileFormat
from dtaas.model.schedule import Schedule, ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.table_rules import TableRules
from dtaas.model.task import (
    ACTIVE_STATUSES,
    DesiredState,
    TableMapping,
    Task,
    TaskMode,
    TaskOptions,
    TaskSpec,
    TaskStatus,
)
from dtaas.model.transformations import TransformationRule
from dtaas.store.database import Database
from dtaas.store.page import FIRST_PAGE, Page, Window, fetch_page, page_of
from dtaas.store.tables import connectors, tasks

T = TypeVar("T")

_SORTABLE: Final = {
    "name": tasks.c.name,
    "id": tasks.c.id,
    "status": tasks.c.status,
    "created_at": tasks.c.created_at,
    "updated_at": tasks.c.updated_at,
    "last_run_at": tasks.c.last_run_at,
}


class TaskFilter(Struct, frozen=True, kw_only=True):
    """Which tasks to list.

    Attributes:
        q: looked for in name and description, whatever the case.
        statuses: any of these; empty is all.
        connector_id: used as source or as destination.
        tag: has it, whatever the case; empty is any.
        owner: exactly this one; empty is any.
    """

    q: str = ""
    statuses: frozenset[TaskStatus] = frozenset()
    mode: TaskMode | None = None
    connector_id: ConnectorId | None = None
    is_active: bool | None = None
    tag: str = ""
    owner: str = ""


ALL_TASKS: Final = TaskFilter()
_LOOKED_THROUGH: Final = 50
"""Tasks whose tables are looked through at most: each may have thousands."""


class TaskTable(Struct, frozen=True, kw_only=True):
    """A source table, and the task that moves it."""

    task_id: TaskId
    task_name: str
    table: TableRef


class TaskRepository:
    """Stores tasks. What the engine changes of them goes through `EngineStore`."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def create(self, spec: TaskSpec, *, status: TaskStatus = TaskStatus.IDLE) -> Task:
        """Store a new task that nobody wants to run yet.

        Raises:
            NameTakenError: another task has the name.
            ValidationFailedError: a connector does not exist or is of the other role.
        """
        return await self._database.write(lambda c: self.insert(c, spec, status))

    async def get(self, task_id: TaskId) -> Task:
        """Return a task.

        Raises:
            NotFoundError: no such task.
        """
        return await self._database.read(lambda c: find_task(c, task_id))

    async def names(self, ids: Iterable[TaskId]) -> Mapping[TaskId, str]:
        """Return the names of those of some tasks that are there."""
        wanted = list(ids)
        if not wanted:
            return {}
        query = select(tasks.c.id, tasks.c.name).where(tasks.c.id.in_(wanted))
        return await self._database.read(
            lambda c: {TaskId(row.id): row.name for row in c.execute(query)}
        )

    async def by_name(self, name: str) -> Task:
        """Return the task of that name.

        Raises:
            NotFoundError: no such task.
        """

        def work(connection: Connection) -> Task:
            row = connection.execute(select(tasks).where(tasks.c.name == name)).one_or_none()
            if row is None:
                raise NotFoundError(f"There is no task named {name!r}.")
            return task_of(row)

        return await self._database.read(work)

    async def tables_named(self, text: str, limit: int) -> Sequence[TaskTable]:
        """Return source tables whose `schema.name` holds a text, whatever the case, by task."""
        wanted = text.lower()
        query = (
            select(tasks.c.id, tasks.c.name, tasks.c.source_tables)
            .where(tasks.c.source_tables.icontains(wanted.rpartition(".")[2], autoescape=True))
            .order_by(tasks.c.name)
            .limit(_LOOKED_THROUGH)
        )
        rows = await self._database.read(lambda c: c.execute(query).all())
        found = (
            TaskTable(task_id=TaskId(row.id), task_name=row.name, table=table)
            for row in rows
            for table in msgspec.json.decode(row.source_tables, type=tuple[TableRef, ...])
            if wanted in str(table).lower()
        )
        return list(islice(found, limit))

    async def list(self, which: TaskFilter = ALL_TASKS, window: Window = FIRST_PAGE) -> Page[Task]:
        """Return a page of tasks. Sort by name (default), id, status or one of the times."""
        query = select(tasks)
        if which.q:
            query = query.where(
                or_(
                    tasks.c.name.icontains(which.q, autoescape=True),
                    tasks.c.description.icontains(which.q, autoescape=True),
                )
            )
        if which.statuses:
            query = query.where(tasks.c.status.in_([s.value for s in which.statuses]))
        if which.mode is not None:
            query = query.where(tasks.c.mode == which.mode.value)
        if which.connector_id is not None:
            query = query.where(
                or_(
                    tasks.c.source_connector_id == which.connector_id,
                    tasks.c.destination_connector_id == which.connector_id,
                )
            )
        if which.is_active is not None:
            query = query.where(tasks.c.is_active == which.is_active)

        if which.tag:  # tags are a JSON array of texts
            query = query.where(tasks.c.tags.icontains(_encode(which.tag), autoescape=True))
        if which.owner:
            query = query.where(tasks.c.owner == which.owner)

        fetched = await self._database.read(
            lambda c: fetch_page(c, query, window, _SORTABLE, tasks.c.id)
        )
        return await page_of(fetched, window, task_of)

    async def update(self, task_id: TaskId, spec: TaskSpec) -> Task:
        """Replace what the user wrote down, leave the state as it is, and return the task.

        Raises:
            NotFoundError: no such task.
            NameTakenError: another task has the name.
            ValidationFailedError: a connector does not exist or is of the other role.
        """
        return await self._database.write(lambda c: self.replace(c, task_id, spec))

    async def delete(self, task_id: TaskId) -> None:
        """Remove a task with its executions, loads and checkpoints.

        Raises:
            NotFoundError: no such task.
            TaskRunningError: an actor is alive.
        """

        def work(connection: Connection) -> None:
            task = find_task(connection, task_id)
            if task.status in ACTIVE_STATUSES:
                raise TaskRunningError(
                    f"Task {task.spec.name!r} is {task.status}.",
                    hint="Stop it first.",
                )
            connection.execute(delete(tasks).where(tasks.c.id == task_id))

        await self._database.write(work)

    def insert(self, connection: Connection, spec: TaskSpec, status: TaskStatus) -> Task:
        """Store a new task inside a transaction under way; see `create`."""
        _refuse_taken_name(connection, spec.name, TaskId(0))
        _refuse_missing_connectors(connection, spec)
        now = self._now()
        state = {
            "status": status.value,
            "desired": DesiredState.STOPPED.value,
            "current_progress_percent": 0.0,
            "cdc_enabled_tables": "[]",
            "created_at": now,
            "updated_at": now,
        }
        done = connection.execute(insert(tasks).values(spec_values(spec) | state))
        assert done.inserted_primary_key is not None  # noqa: S101 - INSERT of one row
        return find_task(connection, TaskId(done.inserted_primary_key[0]))

    def replace(self, connection: Connection, task_id: TaskId, spec: TaskSpec) -> Task:
        """Change a task inside a transaction under way; see `update`."""
        find_task(connection, task_id)
        _refuse_taken_name(connection, spec.name, task_id)
        _refuse_missing_connectors(connection, spec)
        values = spec_values(spec) | {"updated_at": self._now()}
        connection.execute(update(tasks).where(tasks.c.id == task_id).values(values))
        return find_task(connection, task_id)


def find_task(connection: Connection, task_id: TaskId) -> Task:
    """Return a task inside a transaction under way.

    Raises:
        NotFoundError: no such task.
    """
    row = connection.execute(select(tasks).where(tasks.c.id == task_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no task {task_id}.")
    return task_of(row)


def task_of(row: Row[Any]) -> Task:
    """Return a row of `tasks` as what it means."""
    spec = TaskSpec(
        name=row.name,
        description=row.description,
        tags=_decode(row.tags, tuple[str, ...]),
        owner=row.owner,
        source_connector_id=ConnectorId(row.source_connector_id),
        destination_connector_id=ConnectorId(row.destination_connector_id),
        source_tables=_decode(row.source_tables, tuple[TableRef, ...]),
        table_rules=_decode(row.table_rules, TableRules),
        table_mappings=_decode(row.table_mappings, tuple[TableMapping, ...]),
        mode=TaskMode(row.mode),
        batch_size_mb=row.batch_size_mb,
        batch_rows=row.batch_rows,
        schedule_type=ScheduleType(row.schedule_type),
        schedule_interval_seconds=row.schedule_interval_seconds,
        schedule=_decode(row.schedule, Schedule),
        s3_file_format=FileFormat(row.s3_file_format),
        transformations=_decode(row.transformations, tuple[TransformationRule, ...]),
        handle_schema_drift=row.handle_schema_drift,
        schema_drift_policy=DriftPolicy(row.schema_drift_policy),
        schema_drift_approval=row.schema_drift_approval,
        backfill_new_columns=row.backfill_new_columns,
        is_active=row.is_active,
        options=_decode(row.options, TaskOptions),
    )
    return Task(
        id=TaskId(row.id),
        spec=spec,
        status=TaskStatus(row.status),
        desired=DesiredState(row.desired),
        current_progress_percent=row.current_progress_percent,
        created_at=row.created_at,
        updated_at=row.updated_at,
        last_run_at=row.last_run_at,
        cdc_enabled_tables=_decode(row.cdc_enabled_tables, tuple[TableRef, ...]),
        last_cdc_poll_at=row.last_cdc_poll_at,
        last_error_code=row.last_error_code,
        last_error=row.last_error,
    )


def spec_values(spec: TaskSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "tags": _encode(spec.tags),
        "owner": spec.owner,
        "source_connector_id": spec.source_connector_id,
        "destination_connector_id": spec.destination_connector_id,
        "source_tables": _encode(spec.source_tables),
        "table_rules": _encode(spec.table_rules),
        "table_mappings": _encode(spec.table_mappings),
        "mode": spec.mode.value,
        "batch_size_mb": spec.batch_size_mb,
        "batch_rows": spec.batch_rows,
        "schedule_type": spec.schedule_type.value,
        "schedule_interval_seconds": spec.schedule_interval_seconds,
        "schedule": _encode(spec.schedule),
        "s3_file_format": spec.s3_file_format.value,
        "transformations": _encode(spec.transformations),
        "handle_schema_drift": spec.handle_schema_drift,
        "schema_drift_policy": spec.drift_policy.value,
        "schema_drift_approval": spec.schema_drift_approval,
        "backfill_new_columns": spec.backfill_new_columns,
        "is_active": spec.is_active,
        "options": _encode(spec.options),
    }


def _refuse_taken_name(connection: Connection, name: str, but: TaskId) -> None:
    query = select(tasks.c.id).where(tasks.c.name == name, tasks.c.id != but)
    if connection.execute(query).first() is not None:
        raise NameTakenError(
            f"There is already a task named {name!r}.",
            hint="Choose another name.",
            field="$.name",
        )


def _refuse_missing_connectors(connection: Connection, spec: TaskSpec) -> None:
    for role in ConnectorRole:
        field = f"{role}_connector_id"
        wanted: ConnectorId = getattr(spec, field)
        found = connection.scalar(
            select(connectors.c.connector_type).where(connectors.c.id == wanted)
        )
        if found is None:
            raise ValidationFailedError(f"There is no connector {wanted}.", field=f"$.{field}")
        if found != role.value:
            raise ValidationFailedError(
                f"Connector {wanted} is a {found}, not a {role}.", field=f"$.{field}"
            )


def _encode(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _decode(text: str, type_: type[T]) -> T:
    return msgspec.json.decode(text, type=type_)
