"""The in-memory source: the reference implementation of the port."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pyarrow as pa
import pyarrow.compute as pc
from anyio.lowlevel import checkpoint

from dtaas.connectors.memory.datasets import Dataset, MemoryTable, dataset
from dtaas.model.check import CheckReport, CheckStep, OnStep, StepStatus
from dtaas.model.connectors import MemorySourceConfig
from dtaas.model.errors import SchemaChangedError, TableNotFoundError
from dtaas.model.execution import ReadBy
from dtaas.model.key_text import key_texts
from dtaas.model.load import Chunk
from dtaas.model.ports import BatchReader, Source
from dtaas.model.schema import TableInfo, TableRef, TableSchema


class MemoryReader:
    """Hands out slices of the rows that were there when the chunk was opened."""

    def __init__(self, data: Dataset, table: TableRef, batches: list[pa.RecordBatch]) -> None:
        self._data = data
        self._table = table
        self._batches = iter(batches)

    @property
    def read_by(self) -> ReadBy | None:
        """None: there is one way only."""
        return None

    async def next(self) -> pa.RecordBatch | None:
        """Return the next batch, None after the last."""
        await checkpoint()
        await self._data.hook("read", self._table)
        return next(self._batches, None)


class MemorySource:
    """Reads the tables of one dataset."""

    def __init__(self, config: MemorySourceConfig) -> None:
        self._data = dataset(config.dataset)

    async def check(self, on_step: OnStep) -> CheckReport:
        """Report the one step there is."""
        step = CheckStep(
            name="dataset", status=StepStatus.OK, detail=f"{len(self._data.tables)} tables"
        )
        on_step(step)
        return CheckReport(ok=True, steps=(step,))

    async def discover(self) -> Sequence[TableInfo]:
        """Return every table, sorted."""
        return [
            TableInfo(
                table=ref,
                row_count=table.rows.num_rows,
                data_bytes=table.rows.nbytes,
                key=table.schema.key,
                column_count=len(table.schema.columns),
            )
            for ref, table in sorted(self._data.tables.items())
        ]

    async def describe(self, table: TableRef) -> TableSchema:
        """Return the table's schema."""
        await self._data.hook("describe", table)
        return self._table(table).schema

    async def plan(self, schema: TableSchema, *, chunk_rows: int) -> Sequence[Chunk]:
        """Cut at every `chunk_rows`-th distinct value of the first key column."""
        await self._data.hook("plan", schema.table)
        rows = self._table(schema.table).rows
        if not schema.key or rows.num_rows <= chunk_rows:
            return [Chunk(index=0, expected_rows=rows.num_rows)]
        column = schema.key[0]
        keys = rows[column].take(pc.sort_indices(rows[column]))
        cuts = pc.unique(keys.take(list(range(chunk_rows - 1, len(keys) - 1, chunk_rows))))
        bounds = [(str(text),) for text in cuts.cast(pa.string()).to_pylist()]
        return [
            Chunk(index=i, columns=(column,), lower=lower, upper=upper)
            for i, (lower, upper) in enumerate(zip([None, *bounds], [*bounds, None], strict=True))
        ]

    @asynccontextmanager
    async def read(
        self, schema: TableSchema, chunk: Chunk, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Read the rows of the chunk's range as they are now."""
        table = self._table(schema.table)
        if table.schema.columns != schema.columns:
            raise SchemaChangedError(
                f"Table {schema.table} changed its columns after the load was planned.",
                hint="Start the task with force to load the table anew.",
            )
        rows = _within(table.rows, chunk)
        row_bytes = max(1, rows.nbytes // max(1, rows.num_rows))
        most = max(1, min(batch_rows, batch_bytes // row_bytes))
        yield MemoryReader(self._data, schema.table, rows.combine_chunks().to_batches(most))

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
        """Read the rows of some keys as they are now."""
        del batch_bytes
        rows = self._table(schema.table).rows
        found = zip(*(key_texts(rows[name]) for name in columns), strict=True)
        wanted = set(keys)
        mask = pa.array([key in wanted for key in found], pa.bool_())
        batches = rows.filter(mask).combine_chunks().to_batches(batch_rows)
        yield MemoryReader(self._data, schema.table, batches)

    async def position(self) -> str:
        """Return how far the log is captured, '' while no table of it is."""
        log = self._data.log
        return log.captured.hex() if log.instances else ""

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""

    def _table(self, ref: TableRef) -> MemoryTable:
        table = self._data.tables.get(ref)
        if table is None:
            raise TableNotFoundError(
                f"There is no table {ref}.", hint="List the source's tables to see their names."
            )
        return table


def _within(rows: pa.Table, chunk: Chunk) -> pa.Table:
    """Return the rows with `lower < key <= upper`."""
    if not chunk.columns:
        return rows
    keys = rows[chunk.columns[0]]
    if chunk.lower is not None:
        above = pc.greater(keys, pa.scalar(chunk.lower[0]).cast(keys.type))
        rows, keys = rows.filter(above), keys.filter(above)
    if chunk.upper is not None:
        rows = rows.filter(pc.less_equal(keys, pa.scalar(chunk.upper[0]).cast(keys.type)))
    return rows


_: type[Source] = MemorySource
