"""One chunk on its way into data files: split, collect, encode in threads, upload in parts.

Memory is bounded whatever the number of partitions: rows waiting to be encoded, and encoded bytes
waiting for a full part, each have a limit over all files of the chunk.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from dtaas.concurrency.blocking import Blocking
from dtaas.connectors.lake.data_file import OpenDataFile
from dtaas.connectors.lake.encode import ROW_GROUP_ROWS, slice_bytes
from dtaas.connectors.lake.layout import Layout
from dtaas.connectors.lake.objects import Uploader
from dtaas.connectors.lake.partitions import Partitioner, PartitionValues, folder
from dtaas.model.load import Chunk, ChunkReceipt, DataFile, TableLoad

MAX_OPEN_FILES: Final = 32
MAX_WAITING_BYTES: Final = 32 * 1024 * 1024
MAX_UNSENT_BYTES: Final = 32 * 1024 * 1024
_ENOUGH: Final = 0.75
"""Of a row group: rows that fill as much of it do not wait for more."""


class _Waiting:
    """Rows of one partition that are not encoded yet."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.rows = 0
        self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.batches.append(batch)
        self.rows += batch.num_rows
        self.bytes += batch.nbytes


class LakeChunkWriter:
    """Writes one chunk. `files` are durable already, though the chunk may not be complete."""

    def __init__(
        self, uploader: Uploader, blocking: Blocking, load: TableLoad, chunk: Chunk
    ) -> None:
        self.files: list[DataFile] = []
        self.finished = False
        self._uploader = uploader
        self._blocking = blocking
        self._load = load
        self._chunk = chunk
        self._partitioner = Partitioner(load.schema, load.options.partition_by)
        self._slice_bytes = slice_bytes(load.options.format)
        self._waiting: dict[PartitionValues, _Waiting] = {}
        self._waiting_bytes = 0
        self._open: OrderedDict[PartitionValues, OpenDataFile] = OrderedDict()  # oldest use first
        self._opened = 0

    async def write(self, batch: pa.RecordBatch) -> None:
        """Take one batch; encode and send what has become enough."""
        for piece in sliced(batch, ROW_GROUP_ROWS, self._slice_bytes):
            split = self._partitioner.split(piece)
            for values, rows in (
                await self._blocking.droppable(list, split) if self._partitioner.divides else split
            ):
                await self._collect(values, rows)
        while self._waiting_bytes > MAX_WAITING_BYTES:
            await self._encode(max(self._waiting, key=lambda v: self._waiting[v].bytes))

    async def finish(self) -> ChunkReceipt:
        """Encode and upload the rest, and return the proof."""
        for values in list(self._waiting):
            await self._encode(values)
        for values in list(self._open):
            await self._close(values)
        self.finished = True
        return ChunkReceipt(
            chunk_index=self._chunk.index,
            rows=sum(file.rows for file in self.files),
            bytes=sum(file.bytes for file in self.files),
            files=tuple(self.files),
        )

    async def _collect(self, values: PartitionValues, rows: pa.RecordBatch) -> None:
        waiting = self._waiting.get(values)
        if waiting is not None and (
            waiting.rows + rows.num_rows > ROW_GROUP_ROWS
            or waiting.bytes + rows.nbytes > self._slice_bytes
        ):
            await self._encode(values)
        waiting = self._waiting.setdefault(values, _Waiting())
        waiting.add(rows)
        self._waiting_bytes += rows.nbytes
        if waiting.bytes >= _ENOUGH * self._slice_bytes or waiting.rows >= _ENOUGH * ROW_GROUP_ROWS:
            await self._encode(values)

    async def _encode(self, values: PartitionValues) -> None:
        waiting = self._waiting.pop(values)
        self._waiting_bytes -= waiting.bytes
        table = pa.Table.from_batches(waiting.batches, self._partitioner.stored_schema)
        file = self._open.get(values) or await self._create(values)
        self._open.move_to_end(values)
        await file.write(table)
        if file.size_bytes >= self._load.options.target_file_bytes:
            await self._close(values)
        while sum(f.unsent_bytes for f in self._open.values()) > MAX_UNSENT_BYTES:
            await self._close(next(iter(self._open)))

    async def _create(self, values: PartitionValues) -> OpenDataFile:
        if len(self._open) >= MAX_OPEN_FILES:
            await self._close(next(iter(self._open)))
        key = Layout(self._load.target).part(
            self._load.load_id,
            folder(values),
            self._chunk.index,
            self._opened,
            self._load.options.format,
        )
        self._opened += 1
        file = OpenDataFile(
            key,
            self._uploader.open(key),
            file_format=self._load.options.format,
            schema=self._partitioner.stored_schema,
            blocking=self._blocking,
        )
        self._open[values] = file
        return file

    async def _close(self, values: PartitionValues) -> None:
        file = self._open.pop(values)
        self.files.append(await file.finish(values))


def sliced(batch: pa.RecordBatch, max_rows: int, max_bytes: int) -> Sequence[pa.RecordBatch]:
    """Return the batch in even pieces of at most `max_rows` and about at most `max_bytes`."""
    pieces = max(-(-batch.num_rows // max_rows), round(batch.nbytes / max_bytes), 1)
    step = max(1, -(-batch.num_rows // pieces))
    return [batch.slice(start, step) for start in range(0, batch.num_rows, step)]
