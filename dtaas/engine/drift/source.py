"""Sources seen through the gate: without columns that are not copied, with those that went."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pyarrow as pa
from msgspec.structs import replace

from dtaas.engine.drift.gate import DriftGate, Verdict
from dtaas.model.change_ports import (
    ChangeSource,
    FollowsDdl,
    PreparesWindows,
    WatermarkSource,
)
from dtaas.model.changes import ChangeWindow, SourceState, Succession, TrackedTable
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.drift import DetectedBy
from dtaas.model.execution import ReadBy
from dtaas.model.load import Chunk
from dtaas.model.ports import BatchReader, Source
from dtaas.model.schema import Column, TableInfo, TableRef, TableSchema
from dtaas.model.types import arrow_type
from dtaas.model.watermark import Fence, Watermark


class GuardedSource:
    """Tables to be loaded: looked at before they are read. Columns that went are NULL."""

    def __init__(self, source: Source, gate: DriftGate) -> None:
        self._source = source
        self._gate = gate
        self._retained: dict[TableRef, tuple[Column, ...]] = {}

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection."""
        return await self._source.check(on_step)

    async def discover(self) -> Sequence[TableInfo]:
        """Return every table of the source."""
        return await self._source.discover()

    async def describe(self, table: TableRef) -> TableSchema:
        """Return a table as it is to be read.

        Raises:
            SchemaChangePendingError, SchemaChangeRefusedError: it changed, and is not to be read.
        """
        schema, verdict = await self._gate.check(table, DetectedBy.START)
        self._retained[table] = verdict.retained
        seen = verdict.seen(schema)
        return replace(seen, columns=(*seen.columns, *verdict.retained))

    async def plan(self, schema: TableSchema, *, chunk_rows: int) -> Sequence[Chunk]:
        """Cut a table into chunks."""
        return await self._source.plan(self._present(schema), chunk_rows=chunk_rows)

    @asynccontextmanager
    async def read(
        self, schema: TableSchema, chunk: Chunk, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over one chunk."""
        reading = self._source.read(
            self._present(schema), chunk, batch_rows=batch_rows, batch_bytes=batch_bytes
        )
        async with reading as reader:
            yield self._completed(reader, schema)

    @asynccontextmanager
    async def read_keys(
        self,
        schema: TableSchema,
        columns: tuple[str, ...],
        keys: Sequence[tuple[str, ...]],
        *,
        batch_rows: int,
        batch_bytes: int,
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over single rows by key."""
        reading = self._source.read_keys(
            self._present(schema), columns, keys, batch_rows=batch_rows, batch_bytes=batch_bytes
        )
        async with reading as reader:
            yield self._completed(reader, schema)

    async def position(self) -> str:
        """Return the source's present log position."""
        return await self._source.position()

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self._source.aclose()

    def _present(self, schema: TableSchema) -> TableSchema:
        gone = {c.name for c in self._retained.get(schema.table, ())}
        return replace(schema, columns=tuple(c for c in schema.columns if c.name not in gone))

    def _completed(self, reader: BatchReader, schema: TableSchema) -> BatchReader:
        if self._present(schema) == schema:
            return reader
        return _WithNulls(reader, schema)


class _WithNulls:
    """Adds the columns of a schema that batches lack."""

    def __init__(self, reader: BatchReader, schema: TableSchema) -> None:
        self._reader = reader
        self._schema = schema.arrow_schema()
        self._types = {c.name: arrow_type(c.type) for c in schema.columns}

    @property
    def read_by(self) -> ReadBy | None:
        """Return what reads."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last."""
        batch = await self._reader.next()
        if batch is None:
            return None
        columns = [
            batch.column(name)
            if name in batch.schema.names
            else pa.nulls(batch.num_rows, self._types[name])
            for name in self._schema.names
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


class GuardedChangeSource:
    """Changes of tables without the columns that are not copied."""

    def __init__(self, source: ChangeSource, gate: DriftGate) -> None:
        self._source = source
        self._gate = gate

    @property
    def tells_ddl(self) -> bool:
        """Return whether the source itself tells of DDL."""
        return isinstance(self._source, FollowsDdl)

    async def prepare(self, tracked: TrackedTable) -> None:
        """Learn what the first window of a table needs, where the source can do so ahead."""
        if isinstance(self._source, PreparesWindows):
            await self._source.prepare(tracked)

    async def track(
        self, tables: Sequence[TableRef], *, keys: Mapping[TableRef, tuple[str, ...]], enable: bool
    ) -> Sequence[TrackedTable]:
        """Find or make what records the changes of each table."""
        found = await self._source.track(tables, keys=keys, enable=enable)
        return [_seen(t, await self._gate.standing(t.table, hold=False)) for t in found]

    async def follow_ddl(self, tracked: TrackedTable, *, enable: bool) -> TrackedTable:
        """Return a table as it is after DDL, and its successor, but for what is ignored.

        More DDL may have come since the table was looked at: then it is looked at again.

        Raises:
            SchemaChangePendingError, SchemaChangeRefusedError: that is not to be followed.
        """
        gate, table = self._gate, tracked.table
        verdict = await gate.standing(table, hold=False)
        while True:
            found = await self._followed(_left_out(tracked, verdict), enable=enable)
            known = await gate.known(table)
            if known is None or not _tells_more(found, tracked.schema, known):
                return _seen(found, verdict)
            now, verdict = await gate.check(table, DetectedBy.DDL_HISTORY)
            if now == known:  # its change rows and the table itself differ for a moment
                return _seen(found, verdict)

    async def _followed(self, tracked: TrackedTable, *, enable: bool) -> TrackedTable:
        if isinstance(self._source, FollowsDdl):
            return await self._source.follow_ddl(tracked, enable=enable)
        keys = {tracked.table: tracked.schema.key}
        return (await self._source.track([tracked.table], keys=keys, enable=False))[0]

    async def untrack(self, tracked: TrackedTable) -> None:
        """Drop a capture instance that we made."""
        await self._source.untrack(tracked)

    async def anchor(self, tracked: Sequence[TrackedTable]) -> bytes:
        """Return the position a full load may begin at."""
        return await self._source.anchor(tracked)

    async def poll(self, tracked: Sequence[TrackedTable]) -> SourceState:
        """Ask what is new."""
        return await self._source.poll(tracked)

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window."""
        return await self._source.cut(tracked, after=after, to=to, most_rows=most_rows)

    @asynccontextmanager
    async def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over a window."""
        reading = self._source.changes(
            tracked, window, batch_rows=batch_rows, batch_bytes=batch_bytes
        )
        async with reading as reader:
            yield reader

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self._source.aclose()


class GuardedMarks:
    """Watermarks of tables that are looked at before they are read."""

    def __init__(self, marks: WatermarkSource, gate: DriftGate) -> None:
        self._marks = marks
        self._gate = gate

    async def mark(
        self, table: TableRef, *, key: tuple[str, ...], watermark: Watermark | None, field: str
    ) -> TrackedTable:
        """Return a table with its watermark column.

        Raises:
            SchemaChangePendingError, SchemaChangeRefusedError: it changed, and is not to be read.
        """
        while True:
            known, verdict = await self._gate.check(table, DetectedBy.START)
            found = await self._marks.mark(table, key=key, watermark=watermark, field=field)
            if found.schema.columns == known.columns:  # else it changed in between
                return replace(found, schema=verdict.seen(found.schema))

    async def fence(self, tracked: TrackedTable, *, after: bytes | None, seen: str) -> Fence:
        """Return how far the table may be read now."""
        return await self._marks.fence(tracked, after=after, seen=seen)

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window."""
        return await self._marks.cut(tracked, after=after, to=to, most_rows=most_rows)

    def chunk(self, tracked: TrackedTable, window: ChangeWindow) -> Chunk:
        """Return the rows of a window as a range of the watermark column."""
        return self._marks.chunk(tracked, window)

    def notes(self, tracked: TrackedTable) -> str:
        """Return what such a watermark cannot see."""
        return self._marks.notes(tracked)

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self._marks.aclose()


def _left_out(tracked: TrackedTable, verdict: Verdict) -> TrackedTable:
    """Return a table that knows what is ignored now: what was and is not any more is added."""
    kept = [name for name in tracked.left_out if name not in verdict.accepted]
    return replace(tracked, left_out=tuple(dict.fromkeys((*kept, *sorted(verdict.ignored)))))


def _tells_more(found: TrackedTable, before: TableSchema, known: TableSchema) -> bool:
    """Return whether a table was found to be what it neither was nor is known to have become."""
    newer = found.successor.tracked.schema if found.successor is not None else found.schema
    old = {c.name: c.type for c in before.columns}
    seen = {c.name: c.type for c in known.columns}
    now = {c.name: c.type for c in (*found.schema.columns, *newer.columns)}
    came = any(name not in old and name not in seen for name in now)
    went = any(name in seen and name not in now for name in old)
    other = any(
        kind not in (old[name], seen.get(name)) for name, kind in now.items() if name in old
    )
    return came or went or other


def _seen(tracked: TrackedTable, verdict: Verdict) -> TrackedTable:
    if not verdict.ignored:
        return tracked
    tracked = replace(_left_out(tracked, verdict), schema=verdict.seen(tracked.schema))
    if tracked.successor is None:
        return tracked
    missed = tracked.successor.missed
    columns = tuple(c for c in missed.columns if c not in verdict.ignored)
    newer = _seen(tracked.successor.tracked, verdict)
    missed = replace(missed, columns=columns)
    return replace(tracked, successor=Succession(tracked=newer, missed=missed))


_: tuple[type[Source], type[ChangeSource], type[WatermarkSource]] = (
    GuardedSource,
    GuardedChangeSource,
    GuardedMarks,
)
