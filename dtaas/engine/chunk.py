"""One chunk from source to destination: extract and load side by side, joined by a channel."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import pyarrow as pa
from anyio import create_memory_object_stream, create_task_group
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from dtaas.engine.budget import Lease
from dtaas.engine.drain import Drain
from dtaas.engine.progress import TableMeter
from dtaas.model.load import Chunk, ChunkReceipt, TableLoad
from dtaas.model.ports import BatchReader, ChunkWriter
from dtaas.model.schema import TableSchema

_DEPTH = 4
"""Batches between the stages; the byte budget is the tighter bound for large ones."""


class ReadsChunks(Protocol):
    """What a chunk is read from: a source, as far as that goes."""

    def read(
        self, schema: TableSchema, chunk: Chunk, *, batch_rows: int, batch_bytes: int
    ) -> AbstractAsyncContextManager[BatchReader]:
        """Open a reader over one chunk."""
        ...


class WritesChunks(Protocol):
    """What a chunk is written to: a destination, as far as that goes."""

    def write(self, load: TableLoad, chunk: Chunk) -> AbstractAsyncContextManager[ChunkWriter]:
        """Open a writer for one chunk."""
        ...


class ChunkCopy:
    """Moves one chunk. Used once.

    It takes a place for as long as rows are read and encoded: while their files become durable, the
    next chunk is read.

    The reader gives up when the drain is requested; the chunk is then incomplete and leaves
    nothing. A chunk that was read to its end is written to its end.
    """

    def __init__(
        self,
        source: ReadsChunks,
        destination: WritesChunks,
        load: TableLoad,
        chunk: Chunk,
        *,
        batch_rows: int,
        batch_bytes: int,
        place: AbstractAsyncContextManager[object],
        lease: Lease,
        meter: TableMeter,
        drain: Drain,
    ) -> None:
        self._source = source
        self._destination = destination
        self._load = load
        self._chunk = chunk
        self._batch_rows = batch_rows
        self._batch_bytes = batch_bytes
        self._place = place
        self._lease = lease
        self._meter = meter
        self._drain = drain
        self._complete = False

    async def run(self) -> ChunkReceipt | None:
        """Return the receipt of the durable chunk, None when the drain came before its end."""
        try:
            async with self._destination.write(self._load, self._chunk) as writer:
                async with self._place:
                    await self._copy(writer)
                if not self._complete:
                    self._meter.chunk_lost(self._chunk.index)
                    return None
                return await writer.finish()
        except BaseException:
            self._meter.chunk_lost(self._chunk.index)
            raise

    async def _copy(self, writer: ChunkWriter) -> None:
        send, receive = create_memory_object_stream[pa.RecordBatch](_DEPTH)
        async with create_task_group() as stages:
            stages.start_soon(self._extract, send, name="extract")
            stages.start_soon(self._write, receive, writer, name="load")

    async def _extract(self, out: MemoryObjectSendStream[pa.RecordBatch]) -> None:
        async with out:
            with self._drain.extraction():
                async with self._source.read(
                    self._load.schema,
                    self._chunk,
                    batch_rows=self._batch_rows,
                    batch_bytes=self._batch_bytes,
                ) as reader:
                    while (batch := await reader.next()) is not None:
                        self._meter.read_by(reader.read_by)
                        await self._lease.take(batch.nbytes)
                        self._meter.read(self._chunk.index, batch.num_rows, batch.nbytes)
                        await out.send(batch)
                    self._meter.read_by(reader.read_by)  # of a chunk without rows
                self._complete = True

    async def _write(
        self, batches: MemoryObjectReceiveStream[pa.RecordBatch], writer: ChunkWriter
    ) -> None:
        async with batches:
            async for batch in batches:
                await writer.write(batch)
                self._lease.give(batch.nbytes)
                self._meter.touch()
