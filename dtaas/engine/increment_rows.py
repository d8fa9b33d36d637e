"""The rows above a watermark as change rows: read by the source, handed out as windows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from dtaas.model.change_ports import WatermarkSource, WindowSource
from dtaas.model.changes import (
    CHANGE_FIELDS,
    ChangeOp,
    ChangeWindow,
    TrackedTable,
    change_schema,
)
from dtaas.model.execution import ReadBy
from dtaas.model.ports import BatchReader, Source

_DIGITS: Final = 20


class WatermarkWindows:
    """Reads windows of a watermark with the source that loads tables.

    Every row is an update ('U'), as nobody knows whether it is new: it takes the place of one with
    its key. `_lsn` is the end of the window, so that of two readings of a row the later counts
    whatever its watermark says; `_seqval` counts the rows of the window; `_commit_time` is not
    known and NULL.
    """

    def __init__(self, source: Source, marks: WatermarkSource) -> None:
        self._source = source
        self._marks = marks

    async def cut(
        self, tracked: TrackedTable, *, after: bytes, to: bytes, most_rows: int
    ) -> ChangeWindow:
        """Return the next window."""
        return await self._marks.cut(tracked, after=after, to=to, most_rows=most_rows)

    @asynccontextmanager
    async def changes(
        self, tracked: TrackedTable, window: ChangeWindow, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over a window's rows as they are now."""
        chunk = self._marks.chunk(tracked, window)
        async with self._source.read(
            tracked.schema, chunk, batch_rows=batch_rows, batch_bytes=batch_bytes
        ) as reader:
            yield _AsChanges(reader, change_schema(tracked.schema), window)


class _AsChanges:
    """Puts the columns of a change in front of each row."""

    def __init__(self, reader: BatchReader, schema: pa.Schema, window: ChangeWindow) -> None:
        self._reader = reader
        self._schema = schema
        self._window = window
        self._rows = 0

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the rows."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last row."""
        batch = await self._reader.next()
        if batch is None:
            return None
        first, count = self._rows, batch.num_rows
        self._rows += count
        return as_changes(batch, self._schema, lsn=self._window.to.hex(), first=first)


def as_changes(batch: pa.RecordBatch, schema: pa.Schema, *, lsn: str, first: int) -> pa.RecordBatch:
    """Return rows of a table as change rows with `schema`.

    Args:
        first: place of the first row in its window, from 0.
    """
    count = batch.num_rows
    places = pa.array(range(first, first + count), pa.int64()).cast(pa.string())
    metadata = [
        pa.repeat(pa.scalar(ChangeOp.UPDATE.value, pa.string()), count),
        pa.repeat(pa.scalar(lsn, pa.string()), count),
        pa.repeat(pa.scalar(0, pa.int32()), count),
        pc.utf8_lpad(places, _DIGITS, "0"),  # decimal digits sort as hexadecimal ones do
        *(pa.nulls(count, field.type) for field in CHANGE_FIELDS[4:]),
    ]
    return pa.RecordBatch.from_arrays([*metadata, *batch.columns], schema=schema)


_: type[WindowSource] = WatermarkWindows
