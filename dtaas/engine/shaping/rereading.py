"""Change rows with the values that their updates did not log, read from the table by key."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from dtaas.concurrency.blocking import Blocking
from dtaas.model.errors import SchemaChangedError
from dtaas.model.execution import ReadBy
from dtaas.model.ports import KEYS_AT_ONCE, BatchReader, Source
from dtaas.model.schema import TableSchema
from dtaas.transforms.frame import Places
from dtaas.transforms.program import Program
from dtaas.transforms.unlogged import Key, keys_at, rows_to_read, with_values

_NO_PLACES: Final[Places] = np.zeros(0, np.int64)


class WholeChanges:
    """Reads change rows of another reader, in pieces of which each needs few rows of the table."""

    def __init__(
        self,
        reader: BatchReader,
        program: Program,
        rows: Source,
        blocking: Blocking,
        *,
        batch_bytes: int,
    ) -> None:
        """Wrap a reader.

        Args:
            rows: the table itself, as its source has it.
            batch_bytes: what is read for one piece should not be larger.
        """
        self._reader = reader
        self._program = program
        self._rows = rows
        self._blocking = blocking
        self._batch_bytes = batch_bytes
        self._most = KEYS_AT_ONCE
        self._rest: pa.RecordBatch | None = None
        self._places = _NO_PLACES
        source = program.source
        wanted = program.reread.union(source.key)
        columns = (replace(c, nullable=True) for c in source.columns if c.name in wanted)
        self._schema = replace(source, columns=tuple(columns))

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the change rows."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next change rows, None after the last."""
        if self._rest is None:
            batch = await self._reader.next()
            if batch is None:
                return None
            places = await self._blocking(rows_to_read, self._program, batch)
            if not len(places):
                return batch
            self._rest, self._places = batch, places
        return await self._piece(self._rest)

    async def _piece(self, rest: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows up to the last of those that are looked up now."""
        some, left = self._places[: self._most], self._places[self._most :]
        end = int(left[0]) if len(left) else rest.num_rows
        keys = await self._blocking(keys_at, self._program, rest, some)
        found = await self._read(list(dict.fromkeys(keys)))
        piece = await self._blocking(
            with_values, self._program, rest.slice(0, end), some, keys, found
        )
        each = max(1, found.nbytes // max(1, found.num_rows))
        self._most = max(1, min(KEYS_AT_ONCE, self._batch_bytes // each))
        self._rest = rest.slice(end) if len(left) else None
        self._places = left - end
        return piece

    async def _read(self, keys: Sequence[Key]) -> pa.Table:
        """Return rows of the table as they are now, without columns it does not have any more."""
        try:
            return await self._look_up(self._schema, keys)
        except SchemaChangedError:
            there = {
                c.name: c.type for c in (await self._rows.describe(self._schema.table)).columns
            }
            kept = tuple(c for c in self._schema.columns if there.get(c.name) == c.type)
            if len(kept) == len(self._schema.columns) or not kept:
                raise
            self._schema = replace(self._schema, columns=kept)
            return await self._look_up(self._schema, keys)

    async def _look_up(self, schema: TableSchema, keys: Sequence[Key]) -> pa.Table:
        batches = []
        async with self._rows.read_keys(
            schema,
            schema.key,
            keys,
            batch_rows=KEYS_AT_ONCE,
            batch_bytes=self._batch_bytes,
        ) as reader:
            while (batch := await reader.next()) is not None:
                batches.append(batch)
        names = [column.name for column in schema.columns]
        if not batches:
            return schema.arrow_schema().empty_table()
        return pa.Table.from_batches([batch.select(names) for batch in batches])


_: type[BatchReader] = WholeChanges
