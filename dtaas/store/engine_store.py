"""Tasks' states and executions, as the engine writes them: the port `ExecutionStore`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Connection, func, insert, select, update

from dtaas.model.connectors import Connector
from dtaas.model.execution import (
    Ended,
    Execution,
    ExecutionProgress,
    ExecutionStatus,
    ExecutionType,
    TableProgress,
)
from dtaas.model.ids import ConnectorId, ExecutionId, TaskId
from dtaas.model.schedule import ScheduleType
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import ExecutionStore
from dtaas.model.task import DesiredState, Task, TaskStatus
from dtaas.store.connectors import ConnectorRepository
from dtaas.store.database import Database
from dtaas.store.execution_specs import keep_spec
from dtaas.store.executions import (
    TABLES_AT_ONCE,
    execution_of,
    find_execution,
    find_tables,
    table_values,
)
from dtaas.store.tables import table_executions, task_executions, tasks
from dtaas.store.tasks import find_task, spec_values, task_of
from dtaas.store.upsert import upsert

_MB: Final = 1_000_000
_TABLE_KEY: Final = ("execution_id", "table_schema", "table_name")


class EngineStore:
    """What the engine reads and writes of tasks and executions."""

    def __init__(
        self,
        database: Database,
        connectors: ConnectorRepository,
        installation: str,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._connectors = connectors
        self._installation = installation
        self._now = now

    async def installation(self) -> str:
        """Return the identity of this metadata store: 32 hex digits, made once."""
        return self._installation

    async def task(self, task_id: TaskId) -> Task:
        """Return a task, or raise NotFoundError."""
        return await self._database.read(lambda c: find_task(c, task_id))

    async def connector(self, connector_id: ConnectorId) -> Connector:
        """Return a connector with its secrets, or raise NotFoundError."""
        return await self._connectors.get(connector_id)

    async def tasks_desired(self, desired: DesiredState) -> Sequence[TaskId]:
        """Return the tasks whose user wants them in that state, by id."""
        query = select(tasks.c.id).where(tasks.c.desired == desired.value).order_by(tasks.c.id)
        ids = await self._database.read(lambda c: c.scalars(query).all())
        return [TaskId(i) for i in ids]

    async def set_status(
        self,
        task_id: TaskId,
        status: TaskStatus,
        *,
        desired: DesiredState | None = None,
        error_code: str | None = None,
        error: str | None = None,
        progress_percent: float | None = None,
    ) -> Task:
        """Change a task's state and return it. An error of None clears the last error."""
        values: dict[str, Any] = {
            "status": status.value,
            "last_error_code": error_code,
            "last_error": error,
            "updated_at": self._now(),
        }
        if desired is not None:
            values["desired"] = desired.value
        if progress_percent is not None:
            values["current_progress_percent"] = progress_percent

        def work(connection: Connection) -> Task:
            connection.execute(update(tasks).where(tasks.c.id == task_id).values(values))
            return find_task(connection, task_id)

        return await self._database.write(work)

    async def set_tables(self, task_id: TaskId, tables: Sequence[TableRef]) -> Task:
        """Replace the tables of a task whose patterns found others, and return the task."""

        def work(connection: Connection) -> Task:
            spec = replace(find_task(connection, task_id).spec, source_tables=tuple(tables))
            connection.execute(update(tasks).where(tasks.c.id == task_id).values(spec_values(spec)))
            return find_task(connection, task_id)

        return await self._database.write(work)

    async def clear_take_over(self, task_id: TaskId) -> None:
        """Set the task's `take_over` back: it is meant for one execution. Idempotent."""

        def work(connection: Connection) -> None:
            spec = find_task(connection, task_id).spec
            spec = replace(spec, options=replace(spec.options, take_over=False))
            connection.execute(update(tasks).where(tasks.c.id == task_id).values(spec_values(spec)))

        await self._database.write(work)

    async def begin_execution(self, task_id: TaskId, kind: ExecutionType) -> Execution:
        """Return the task's running execution (after a crash or pause) or start a new one."""

        def work(connection: Connection) -> Execution:
            running = _running(connection, task_id)
            spec = find_task(connection, task_id).spec
            if running is not None:
                keep_spec(connection, running.id, spec)  # changed, perhaps, while it was paused
                return running
            now = self._now()
            done = connection.execute(
                insert(task_executions).values(
                    task_id=task_id,
                    execution_type=kind.value,
                    status=ExecutionStatus.RUNNING.value,
                    processed_rows=0,
                    failed_rows=0,
                    progress_percent=0.0,
                    rows_per_second=0.0,
                    data_size_mb=0.0,
                    started_at=now,
                    schema_changes_detected=0,
                    created_at=now,
                )
            )
            connection.execute(update(tasks).where(tasks.c.id == task_id).values(last_run_at=now))
            assert done.inserted_primary_key is not None  # noqa: S101 - INSERT of one row
            execution_id = ExecutionId(done.inserted_primary_key[0])
            keep_spec(connection, execution_id, spec)
            return find_execution(connection, execution_id)

        return await self._database.write(work)

    async def record_tables(
        self, execution_id: ExecutionId, tables: Sequence[TableProgress]
    ) -> None:
        """Store the tables' states. Later states replace earlier ones."""

        def work(connection: Connection) -> None:
            find_execution(connection, execution_id)
            _record(connection, execution_id, tables)

        await self._database.write(work)

    async def tables_of(self, execution_id: ExecutionId) -> Sequence[TableProgress]:
        """Return the tables of an execution as last recorded, in the order they were given."""
        return await self._database.read(lambda c: find_tables(c, execution_id))

    async def scheduled(self) -> Sequence[Task]:
        """Return the active tasks with a schedule other than manual, by id."""
        query = (
            select(tasks)
            .where(tasks.c.is_active, tasks.c.schedule_type != ScheduleType.MANUAL.value)
            .order_by(tasks.c.id)
        )
        return await self._database.read(lambda c: [task_of(row) for row in c.execute(query)])

    async def record_progress(self, progress: ExecutionProgress) -> None:
        """Store the totals of a running execution. One that has ended keeps its figures."""

        def work(connection: Connection) -> None:
            execution = find_execution(connection, progress.execution_id)
            if execution.status is not ExecutionStatus.RUNNING:
                return
            connection.execute(
                update(task_executions)
                .where(task_executions.c.id == progress.execution_id)
                .values(_totals(progress) | {"rows_per_second": progress.rows_s})
            )
            connection.execute(
                update(tasks)
                .where(tasks.c.id == execution.task_id)
                .values(current_progress_percent=progress.percent)
            )

        await self._database.write(work)

    async def end_execution(
        self,
        execution_id: ExecutionId,
        status: ExecutionStatus,
        progress: ExecutionProgress,
        *,
        error_code: str | None = None,
        error: str | None = None,
        schema_changes: int = 0,
    ) -> Execution:
        """Close an execution with its final figures and return it. Idempotent."""

        def work(connection: Connection) -> Execution:
            execution = find_execution(connection, execution_id)
            if execution.status is not ExecutionStatus.RUNNING:
                return execution
            now = self._now()
            # From the first start to the end, pauses and restarts included: what the wall shows.
            duration_s = max(0.0, (now - execution.started_at).total_seconds())
            working_s = progress.elapsed_s or duration_s
            connection.execute(
                update(task_executions)
                .where(task_executions.c.id == execution_id)
                .values(
                    _totals(progress)
                    | {
                        "status": status.value,
                        "rows_per_second": progress.rows_done / working_s if working_s else 0.0,
                        "completed_at": now,
                        "duration_seconds": duration_s,
                        "error_code": error_code,
                        "error_message": error,
                        "schema_changes_detected": execution.schema_changes_detected
                        + schema_changes,
                    }
                )
            )
            connection.execute(
                update(tasks)
                .where(tasks.c.id == execution.task_id)
                .values(current_progress_percent=progress.percent)
            )
            _record(connection, execution_id, progress.tables)
            return find_execution(connection, execution_id)

        return await self._database.write(work)

    async def running_execution(self, task_id: TaskId) -> Execution | None:
        """Return the task's execution that has no final state yet, if there is one."""
        return await self._database.read(lambda c: _running(c, task_id))

    async def last_started(self, task_id: TaskId) -> datetime | None:
        """Return when the task's latest execution began, None before the first."""
        query = (
            select(task_executions.c.started_at)
            .where(task_executions.c.task_id == task_id)
            .order_by(task_executions.c.id.desc())
            .limit(1)
        )
        return await self._database.read(lambda c: c.scalar(query))

    async def last_ended(
        self, task_id: TaskId, statuses: frozenset[ExecutionStatus]
    ) -> Ended | None:
        """Return the end of the task's latest execution with one of these final states."""
        query = (
            select(task_executions.c.id, task_executions.c.completed_at)
            .where(
                task_executions.c.task_id == task_id,
                task_executions.c.completed_at.is_not(None),
                task_executions.c.status.in_([status.value for status in statuses]),
            )
            .order_by(task_executions.c.id.desc())
            .limit(1)
        )

        def work(connection: Connection) -> Ended | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else Ended(ExecutionId(row.id), row.completed_at)

        return await self._database.read(work)


def _running(connection: Connection, task_id: TaskId) -> Execution | None:
    row = connection.execute(
        select(task_executions).where(
            task_executions.c.task_id == task_id,
            task_executions.c.status == ExecutionStatus.RUNNING.value,
        )
    ).one_or_none()
    return None if row is None else execution_of(row)


def _totals(progress: ExecutionProgress) -> dict[str, Any]:
    return {
        "total_rows": progress.rows_total,
        "processed_rows": progress.rows_done,
        "failed_rows": sum(table.rejected for table in progress.tables),
        "progress_percent": progress.percent,
        "data_size_mb": progress.bytes / _MB,
    } | _positions(progress)


def _positions(progress: ExecutionProgress) -> dict[str, Any]:
    """Return where the streams began, which stays, and where they stand, if they are known."""
    if progress.cdc_lsn_end is None:
        return {}
    began = func.coalesce(task_executions.c.cdc_lsn_start, progress.cdc_lsn_start)
    return {"cdc_lsn_start": began, "cdc_lsn_end": progress.cdc_lsn_end}


def _record(
    connection: Connection, execution_id: ExecutionId, tables: Sequence[TableProgress]
) -> None:
    statement = upsert(connection, table_executions, _TABLE_KEY)
    # In parts, because the event loop stands still while SQLAlchemy prepares one.
    for first in range(0, len(tables), TABLES_AT_ONCE):
        part = tables[first : first + TABLES_AT_ONCE]
        rows = [{"execution_id": execution_id} | table_values(table) for table in part]
        connection.execute(statement, rows)


_: type[ExecutionStore] = EngineStore
