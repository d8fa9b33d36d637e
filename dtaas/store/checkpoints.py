"""Positions per task and table, which only move forward: the port `CheckpointStore`."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, delete, select

from dtaas.model.errors import CheckpointRegressionError
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import CheckpointStore
from dtaas.store.database import Database
from dtaas.store.tables import checkpoints
from dtaas.store.upsert import insert_of

_KEY = ("task_id", "table_schema", "table_name")


class Checkpoints:
    """Stores positions. Bytes compare as bytes in both databases, so the guard is one statement."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def load(self, task_id: TaskId, table: TableRef) -> bytes | None:
        """Return the last position, None before the first."""
        query = select(checkpoints.c.position).where(
            checkpoints.c.task_id == task_id,
            checkpoints.c.table_schema == table.schema,
            checkpoints.c.table_name == table.name,
        )
        return await self._database.read(lambda c: c.scalar(query))

    async def advance(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store `position`, durable on return, unless it lies before the stored one.

        Raises:
            CheckpointRegressionError: it lies before the stored one, which stays.
            NotFoundError: no such task.
        """

        def work(connection: Connection) -> bool:
            insert = insert_of(connection, checkpoints).values(
                task_id=task_id,
                table_schema=table.schema,
                table_name=table.name,
                position=position,
                updated_at=self._now(),
            )
            new = insert.excluded
            done = connection.execute(
                insert.on_conflict_do_update(
                    index_elements=list(_KEY),
                    set_={"position": new.position, "updated_at": new.updated_at},
                    where=new.position >= checkpoints.c.position,
                )
            )
            return done.rowcount == 1

        if not await self._database.write(work):
            raise CheckpointRegressionError(
                f"The position of {table} of task {task_id} would move back to {position.hex()}.",
                hint="Two daemons may run the task, or the source was restored from a backup.",
            )

    async def forget(self, task_id: TaskId, table: TableRef) -> None:
        """Remove the position. Idempotent."""
        statement = delete(checkpoints).where(
            checkpoints.c.task_id == task_id,
            checkpoints.c.table_schema == table.schema,
            checkpoints.c.table_name == table.name,
        )

        def work(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.write(work)


_: type[CheckpointStore] = Checkpoints
