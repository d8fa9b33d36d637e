"""Loads and their chunks: the port `LoadLedger`."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from dtaas.model.errors import InUseError, NotFoundError
from dtaas.model.ids import ExecutionId, LoadId, TaskId
from dtaas.model.load import (
    ChunkReceipt,
    CommitResult,
    DataFile,
    TableLoad,
    decode_load,
    encode_load,
)
from dtaas.model.schema import TableRef
from dtaas.model.store_ports import LoadLedger
from dtaas.store.database import Database
from dtaas.store.tables import chunks, loads
from dtaas.store.tasks import find_task
from dtaas.store.upsert import upsert


class LoadState(StrEnum):
    """State of a load. The last two are final."""

    OPEN = "open"
    COMMITTED = "committed"
    ABANDONED = "abandoned"


_CHUNK_KEY: Final = ("load_id", "chunk_index")
_MOMENT: Final = timedelta(microseconds=1)


class Loads:
    """Stores loads with their whole plan, and a receipt for every chunk that is durable."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def open_load(self, task_id: TaskId, table: TableRef) -> TableLoad | None:
        """Return the table's load that is neither committed nor abandoned, if there is one."""
        plan = await self._database.read(lambda c: c.scalar(_open_plan(task_id, table)))
        return None if plan is None else decode_load(plan.encode())

    async def save_load(self, load: TableLoad) -> None:
        """Store a new open load with its plan, durable on return.

        Raises:
            InUseError: the table already has an open load.
            NotFoundError: no such task.
        """
        table = load.schema.table

        def work(connection: Connection) -> None:
            find_task(connection, load.task_id)
            if connection.scalar(_open_plan(load.task_id, table)) is not None:
                raise InUseError(f"{table} of task {load.task_id} already has an open load.")
            connection.execute(
                insert(loads).values(
                    load_id=load.load_id,
                    task_id=load.task_id,
                    execution_id=load.execution_id,
                    table_schema=table.schema,
                    table_name=table.name,
                    state=LoadState.OPEN.value,
                    plan=encode_load(load).decode(),
                    created_at=self._now(),
                )
            )

        await self._database.write(work)

    async def save_receipt(self, load_id: LoadId, receipt: ChunkReceipt) -> None:
        """Store that a chunk is durable at the destination. The same receipt again is a no-op.

        A chunk written again has new files under the same names, so its later receipt replaces
        the earlier one while the load is open.

        Raises:
            NotFoundError: no such load, or it is closed and the receipt is not one of its own.
        """

        def work(connection: Connection) -> None:
            if _state(connection, load_id) is not LoadState.OPEN:
                if receipt in _receipts(connection, load_id):
                    return
                raise NotFoundError(f"Load {load_id} is closed and takes no more chunks.")
            connection.execute(
                upsert(connection, chunks, _CHUNK_KEY).values(
                    load_id=load_id,
                    chunk_index=receipt.chunk_index,
                    rows=receipt.rows,
                    bytes=receipt.bytes,
                    files=msgspec.json.encode(receipt.files).decode(),
                    saved_at=self._now(),
                )
            )

        await self._database.write(work)

    async def receipts(self, load_id: LoadId) -> Sequence[ChunkReceipt]:
        """Return the receipts of a load in chunk order."""
        return await self._database.read(lambda c: _receipts(c, load_id))

    async def mark_committed(
        self, load_id: LoadId, result: CommitResult, *, execution_id: ExecutionId
    ) -> None:
        """Close a load as visible to readers, by the execution that published it. Idempotent.

        Raises:
            NotFoundError: no such load.
        """

        def work(connection: Connection) -> None:
            if _state(connection, load_id) is LoadState.COMMITTED:
                return
            # Also after it was abandoned: what readers see is the truth.
            self._close(
                connection,
                load_id,
                LoadState.COMMITTED,
                committed_in=execution_id,
                rows=result.rows,
                bytes=result.bytes,
                files=result.files,
                location=result.location,
            )

        await self._database.write(work)

    async def committed_in(self, execution_id: ExecutionId, table: TableRef) -> CommitResult | None:
        """Return what the table's load of that execution committed, None when it did not."""
        query = (
            select(loads.c.rows, loads.c.bytes, loads.c.files, loads.c.location)
            .where(
                loads.c.committed_in == execution_id,
                loads.c.table_schema == table.schema,
                loads.c.table_name == table.name,
                loads.c.state == LoadState.COMMITTED.value,
            )
            .order_by(loads.c.closed_at.desc(), loads.c.load_id)
            .limit(1)
        )
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            return None
        return CommitResult(
            rows=row.rows,
            bytes=row.bytes,
            files=row.files,
            location=row.location,
            already_committed=True,
        )

    async def last_committed(self, task_id: TaskId, table: TableRef) -> TableLoad | None:
        """Return the task's latest committed load of a table, None before the first."""
        query = (
            select(loads.c.plan)
            .where(
                loads.c.task_id == task_id,
                loads.c.table_schema == table.schema,
                loads.c.table_name == table.name,
                loads.c.state == LoadState.COMMITTED.value,
            )
            .order_by(loads.c.closed_at.desc(), loads.c.load_id)
            .limit(1)
        )
        plan = await self._database.read(lambda c: c.scalar(query))
        return None if plan is None else decode_load(plan.encode())

    async def mark_abandoned(self, load_id: LoadId) -> None:
        """Close a load as given up. Idempotent; a committed load stays committed.

        Raises:
            NotFoundError: no such load.
        """

        def work(connection: Connection) -> None:
            if _state(connection, load_id) is LoadState.OPEN:
                self._close(connection, load_id, LoadState.ABANDONED)

        await self._database.write(work)

    def _close(
        self, connection: Connection, load_id: LoadId, state: LoadState, **figures: Any
    ) -> None:
        connection.execute(
            update(loads)
            .where(loads.c.load_id == load_id)
            .values(state=state.value, closed_at=self._closing(connection, load_id), **figures)
        )

    def _closing(self, connection: Connection, load_id: LoadId) -> datetime:
        """Return the time to close at: behind the table's other loads, also when clocks go back.

        The latest load decides which changes count; a clock that was set must not make it another.
        """
        this = select(loads).where(loads.c.load_id == load_id).subquery()
        latest = connection.scalar(
            select(loads.c.closed_at)
            .where(
                loads.c.task_id == this.c.task_id,
                loads.c.table_schema == this.c.table_schema,
                loads.c.table_name == this.c.table_name,
                loads.c.closed_at.is_not(None),
            )
            .order_by(loads.c.closed_at.desc())
            .limit(1)
        )
        now = self._now()
        return now if latest is None else max(now, latest + _MOMENT)


def _open_plan(task_id: TaskId, table: TableRef) -> Any:
    return select(loads.c.plan).where(
        loads.c.task_id == task_id,
        loads.c.table_schema == table.schema,
        loads.c.table_name == table.name,
        loads.c.state == LoadState.OPEN.value,
    )


def _state(connection: Connection, load_id: LoadId) -> LoadState:
    state = connection.scalar(select(loads.c.state).where(loads.c.load_id == load_id))
    if state is None:
        raise NotFoundError(f"There is no load {load_id}.")
    return LoadState(state)


def _receipts(connection: Connection, load_id: LoadId) -> list[ChunkReceipt]:
    rows = connection.execute(
        select(chunks).where(chunks.c.load_id == load_id).order_by(chunks.c.chunk_index)
    )
    return [_receipt(row) for row in rows]


def _receipt(row: Row[Any]) -> ChunkReceipt:
    return ChunkReceipt(
        chunk_index=row.chunk_index,
        rows=row.rows,
        bytes=row.bytes,
        files=msgspec.json.decode(row.files, type=tuple[DataFile, ...]),
    )


_: type[LoadLedger] = Loads
