"""The two ends of a load, with a look at the clock where a batch passes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol, runtime_checkable

import pyarrow as pa

from dtaas.engine.chunk import ReadsChunks, WritesChunks
from dtaas.engine.pace import Pace
from dtaas.model.execution import ReadBy
from dtaas.model.load import Chunk, ChunkReceipt, TableLoad
from dtaas.model.ports import BatchReader, ChunkWriter
from dtaas.model.schema import TableSchema


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
    """Reads a source's chunks of one table, counted."""

    def __init__(self, source: ReadsChunks, pace: Pace) -> None:
        self._source = source
        self._pace = pace

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


class PacedDestination:
    """Writes the chunks of one table to a destination, counted."""

    def __init__(self, destination: WritesChunks, pace: Pace) -> None:
        self._destination = destination
        self._pace = pace

    @asynccontextmanager
    async def write(self, load: TableLoad, chunk: Chunk) -> AsyncIterator[ChunkWriter]:
        """Open a writer for one chunk."""
        try:
            async with self._destination.write(load, chunk) as writer:
                yield PacedWriter(writer, self._pace, chunk.index)
        finally:
            self._pace.end(chunk.index)
