"""The two ends of a load, with a look at the clock where a batch passes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from typing import Protocol, runtime_checkable

import pyarrow as pa

from dtaas.engine.pace import Pace
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.execution import ReadBy
from dtaas.model.load import Chunk, ChunkReceipt, CommitResult, Owner, TableLoad, TargetTable
from dtaas.model.ports import BatchReader, ChunkWriter, Destination, Source
from dtaas.model.schema import TableInfo, TableRef, TableSchema


@runtime_checkable
class HasSteps(Protocol):
    """A reader that transforms what it reads, each time within `steps`."""

    steps: Callable[[], AbstractContextManager[None]]


def told(reader: BatchReader, pace: Pace) -> BatchReader:
    """Return the reader, whose steps are told apart from reading from now on."""
    if isinstance(reader, HasSteps):
        reader.steps = pace.transforming
    return reader


async def read(reader: BatchReader, pace: Pace) -> pa.RecordBatch | None:
    """Return the next rows of a reader, None after the last."""
    with pace.reading():
        return await reader.next()


class PacedReader:
    """Counts the waiting for the rows of one chunk."""

    def __init__(self, reader: BatchReader, pace: Pace, unit: int) -> None:
        self._reader = told(reader, pace)
        self._pace = pace
        self._unit = unit

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the rows."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next rows, None after the last."""
        batch = await read(self._reader, self._pace)
        if batch is not None:
            self._pace.queue(self._unit, 1)
        return batch


class PacedWriter:
    """Counts the waiting until the destination has taken the rows of one chunk."""

    def __init__(self, writer: ChunkWriter, pace: Pace, unit: int) -> None:
        self._writer = writer
        self._pace = pace
        self._unit = unit

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch."""
        self._pace.queue(self._unit, -1)
        with self._pace.writing():
            await self._writer.write(batch)

    async def finish(self) -> ChunkReceipt:
        """Make the chunk durable."""
        with self._pace.writing():
            return await self._writer.finish()


class PacedSource:
    """A source whose chunks of one table are counted; all else is as it is."""

    def __init__(self, source: Source, pace: Pace) -> None:
        self._source = source
        self._pace = pace

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection."""
        return await self._source.check(on_step)

    async def discover(self) -> Sequence[TableInfo]:
        """Return every table of the source."""
        return await self._source.discover()

    async def describe(self, table: TableRef) -> TableSchema:
        """Return the table's columns and key."""
        return await self._source.describe(table)

    async def plan(self, schema: TableSchema, *, chunk_rows: int) -> Sequence[Chunk]:
        """Cut the table into chunks."""
        return await self._source.plan(schema, chunk_rows=chunk_rows)

    @asynccontextmanager
    async def read(
        self, schema: TableSchema, chunk: Chunk, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over one chunk, which is under way until its writer is closed."""
        self._pace.begin(chunk.index)
        async with AsyncExitStack() as stack:
            with self._pace.reading():
                reader = await stack.enter_async_context(
                    self._source.read(schema, chunk, batch_rows=batch_rows, batch_bytes=batch_bytes)
                )
            yield PacedReader(reader, self._pace, chunk.index)

    def read_keys(
        self,
        schema: TableSchema,
        columns: tuple[str, ...],
        keys: Sequence[tuple[str, ...]],
        *,
        batch_rows: int,
        batch_bytes: int,
    ) -> AbstractAsyncContextManager[BatchReader]:
        """Open a reader over single rows by key."""
        return self._source.read_keys(
            schema, columns, keys, batch_rows=batch_rows, batch_bytes=batch_bytes
        )

    async def position(self) -> str:
        """Return the source's present log position."""
        return await self._source.position()

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self._source.aclose()


class PacedDestination:
    """A destination whose chunks of one table are counted; all else is as it is."""

    def __init__(self, destination: Destination, pace: Pace) -> None:
        self._destination = destination
        self._pace = pace

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection."""
        return await self._destination.check(on_step)

    def target_of(self, table: TableRef, mapped: tuple[str, ...] | None) -> TargetTable:
        """Return where a table goes."""
        return self._destination.target_of(table, mapped)

    async def claim(self, target: TargetTable, owner: Owner, *, take_over: bool = False) -> None:
        """Record in the target that `owner` writes it."""
        await self._destination.claim(target, owner, take_over=take_over)

    async def release(self, target: TargetTable, owner: Owner) -> None:
        """Give the target free again."""
        await self._destination.release(target, owner)

    async def begin(self, load: TableLoad) -> None:
        """Prepare for the load."""
        await self._destination.begin(load)

    @asynccontextmanager
    async def write(self, load: TableLoad, chunk: Chunk) -> AsyncIterator[ChunkWriter]:
        """Open a writer for one chunk."""
        try:
            async with self._destination.write(load, chunk) as writer:
                yield PacedWriter(writer, self._pace, chunk.index)
        finally:
            self._pace.end(chunk.index)

    async def commit(self, load: TableLoad, receipts: Sequence[ChunkReceipt]) -> CommitResult:
        """Publish the load."""
        return await self._destination.commit(load, receipts)

    async def abandon(self, load: TableLoad) -> None:
        """Remove what an uncommitted load left behind."""
        await self._destination.abandon(load)

    async def scan(
        self, target: TargetTable, schema: TableSchema, visit: Callable[[pa.RecordBatch], None]
    ) -> None:
        """Read the committed table back."""
        await self._destination.scan(target, schema, visit)

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self._destination.aclose()


_: tuple[type[Source], type[Destination]] = (PacedSource, PacedDestination)
