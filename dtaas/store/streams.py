"""Streams of changes and their positions, which only move forward: the port `StreamStore`."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, and_, delete, or_, select, update

from dtaas.model.change_ports import StreamStore
from dtaas.model.changes import ChangeWindow, StreamState, TableStream, TrackedTable
from dtaas.model.errors import CheckpointRegressionError, NotFoundError
from dtaas.model.ids import TaskId
from dtaas.model.schema import TableRef
from dtaas.store.database import Database
from dtaas.store.tables import streams, tasks
from dtaas.store.tasks import find_task
from dtaas.store.upsert import upsert

_KEY: Final = ("task_id", "table_schema", "table_name")
_AT_ONCE: Final = 200
"""Tables named in one statement."""


class Streams:
    """Stores one row a stream."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def stream(self, task_id: TaskId, table: TableRef) -> StreamState | None:
        """Return the stream, None before the first."""
        query = select(streams).where(_is(task_id, table))
        row = await self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else _state(row)

    async def streams(self, task_id: TaskId) -> Sequence[StreamState]:
        """Return all streams of a task by table."""
        query = (
            select(streams)
            .where(streams.c.task_id == task_id)
            .order_by(streams.c.table_schema, streams.c.table_name)
        )
        return await self._database.read(lambda c: [_state(row) for row in c.execute(query)])

    async def open(self, state: StreamState) -> None:
        """Store a new generation of a stream, replacing an older one. Durable on return."""
        stream = state.stream

        def work(connection: Connection) -> None:
            find_task(connection, stream.task_id)
            connection.execute(
                upsert(connection, streams, _KEY).values(
                    task_id=stream.task_id,
                    table_schema=stream.tracked.table.schema,
                    table_name=stream.tracked.table.name,
                    stream=msgspec.json.encode(stream).decode(),
                    position=state.position,
                    applied=state.applied,
                    identity=state.identity,
                    intent=_encoded(state.intent),
                    verified_through=state.verified_through,
                    watermark=state.watermark,
                    updated_at=self._now(),
                )
            )

        await self._database.write(work)

    async def intend(self, task_id: TaskId, table: TableRef, window: ChangeWindow) -> None:
        """Store the window about to be applied. Durable on return.

        Raises:
            NotFoundError: no such stream.
        """

        def work(connection: Connection) -> bool:
            done = connection.execute(
                update(streams)
                .where(_is(task_id, table))
                .values(intent=_encoded(window), updated_at=self._now())
            )
            return done.rowcount == 1

        if not await self._database.write(work):
            raise NotFoundError(f"Task {task_id} has no stream of {table}.")

    async def advance(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store that everything up to `position` is durable, and clear the intent.

        Raises:
            CheckpointRegressionError: it lies before the stored one, which stays.
        """

        def work(connection: Connection) -> bool:
            done = connection.execute(
                update(streams)
                .where(_is(task_id, table), streams.c.position <= position)
                .values(position=position, applied=position, intent=None, updated_at=self._now())
            )
            return done.rowcount == 1

        if not await self._database.write(work):
            raise CheckpointRegressionError(
                f"The position of {table} of task {task_id} would move back to {position.hex()}.",
                hint="Two daemons may run the task, or the source was restored from a backup.",
            )

    async def advance_idle(
        self, task_id: TaskId, tables: Collection[TableRef], position: bytes
    ) -> None:
        """Move tables without changes to `position` in one write. Never moves one back."""
        wanted = list(tables)

        def work(connection: Connection) -> None:
            for start in range(0, len(wanted), _AT_ONCE):
                named = [
                    and_(streams.c.table_schema == t.schema, streams.c.table_name == t.name)
                    for t in wanted[start : start + _AT_ONCE]
                ]
                connection.execute(
                    update(streams)
                    .where(
                        streams.c.task_id == task_id,
                        or_(*named),
                        streams.c.position < position,
                        streams.c.intent.is_(None),
                    )
                    .values(position=position, updated_at=self._now())
                )

        if wanted:
            await self._database.write(work)

    async def verified(self, task_id: TaskId, table: TableRef, position: bytes) -> None:
        """Store that both ends were proved equal up to `position`. Never moves back."""
        known = streams.c.verified_through
        statement = (
            update(streams)
            .where(_is(task_id, table), or_(known.is_(None), known < position))
            .values(verified_through=position)
        )
        await self._database.write(lambda c: c.execute(statement))

    async def shares(self, task_id: TaskId, tracked: TrackedTable) -> bool:
        """Return whether the stream of another task reads the same capture instance."""
        query = select(streams.c.stream).where(
            streams.c.task_id != task_id,
            streams.c.table_schema == tracked.table.schema,
            streams.c.table_name == tracked.table.name,
        )
        found = await self._database.read(lambda c: c.execute(query).scalars().all())
        return any(_stream(text).tracked.instance_id == tracked.instance_id for text in found)

    async def readers(self) -> Sequence[tuple[TaskId, str, TrackedTable]]:
        """Return what every task reads changes from, with the task's name, by task and table."""
        query = (
            select(streams.c.task_id, tasks.c.name, streams.c.stream)
            .join(tasks, tasks.c.id == streams.c.task_id)
            .order_by(streams.c.task_id, streams.c.table_schema, streams.c.table_name)
        )
        found = await self._database.read(lambda c: c.execute(query).all())
        return [(TaskId(task_id), name, _stream(text).tracked) for task_id, name, text in found]

    async def forget(self, task_id: TaskId, table: TableRef) -> None:
        """Remove the stream. Idempotent."""

        def work(connection: Connection) -> None:
            connection.execute(delete(streams).where(_is(task_id, table)))

        await self._database.write(work)


def _is(task_id: TaskId, table: TableRef) -> Any:
    return and_(
        streams.c.task_id == task_id,
        streams.c.table_schema == table.schema,
        streams.c.table_name == table.name,
    )


def _stream(text: str) -> TableStream:
    return msgspec.json.decode(text, type=TableStream)


def _encoded(window: ChangeWindow | None) -> str | None:
    return None if window is None else msgspec.json.encode(window).decode()


def _state(row: Row[Any]) -> StreamState:
    return StreamState(
        stream=_stream(row.stream),
        position=row.position,
        applied=row.applied,
        identity=row.identity,
        intent=None if row.intent is None else msgspec.json.decode(row.intent, type=ChangeWindow),
        verified_through=row.verified_through,
        watermark=row.watermark,
    )


_: type[StreamStore] = Streams
