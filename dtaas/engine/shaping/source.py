"""A source whose tables already look as they arrive: what the engine reads is transformed."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import pyarrow as pa

from dtaas.concurrency.blocking import Blocking
from dtaas.engine.shaping.dead_letters import DeadLetters, LetGo, Letters, NotAgain
from dtaas.engine.shaping.shapes import Shapes, source_columns
from dtaas.model.check import CheckReport, OnStep
from dtaas.model.execution import ReadBy
from dtaas.model.load import Chunk
from dtaas.model.ports import BatchReader, Source
from dtaas.model.schema import TableInfo, TableRef, TableSchema
from dtaas.transforms.program import Program


class ShapedSource:
    """Transforms what another source reads. Bounds of chunks are those of the other."""

    def __init__(
        self, source: Source, shapes: Shapes, letters: DeadLetters | LetGo, blocking: Blocking
    ) -> None:
        self.plain = source
        self.shapes = shapes
        self._letters = letters
        self._blocking = blocking

    async def check(self, on_step: OnStep) -> CheckReport:
        """Test the connection."""
        return await self.plain.check(on_step)

    async def discover(self) -> Sequence[TableInfo]:
        """Return every table of the source."""
        return await self.plain.discover()

    async def describe(self, table: TableRef) -> TableSchema:
        """Return the table's columns and key as they arrive."""
        return self.shapes.shaped(await self.plain.describe(table))

    async def plan(self, schema: TableSchema, *, chunk_rows: int) -> Sequence[Chunk]:
        """Cut the table as it is at the source."""
        await self._blocking(self._letters.forget_load, schema.table)
        return await self.plain.plan(self.shapes.program(schema).source, chunk_rows=chunk_rows)

    @asynccontextmanager
    async def read(
        self, schema: TableSchema, chunk: Chunk, *, batch_rows: int, batch_bytes: int
    ) -> AsyncIterator[BatchReader]:
        """Open a reader over one chunk."""
        program = self.shapes.program(schema)
        reading = self.plain.read(
            program.source, chunk, batch_rows=batch_rows, batch_bytes=batch_bytes
        )
        name = f"load-{chunk.index:06d}"
        async with reading as reader, self._letters.letters(program, name) as letters:
            yield ShapedReader(reader, program, letters, self._blocking)

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
        """Open a reader over single rows by key; those a condition keeps out do not come."""
        program = self.shapes.program(schema)
        names = source_columns(program, columns)
        reading = self.plain.read_keys(
            program.source, names, keys, batch_rows=batch_rows, batch_bytes=batch_bytes
        )
        async with reading as reader:
            yield ShapedReader(reader, program, NotAgain(), self._blocking)

    async def position(self) -> str:
        """Return the source's present log position."""
        return await self.plain.position()

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""
        await self.plain.aclose()


_: type[Source] = ShapedSource


class ShapedReader:
    """Transforms batches in threads. Ends only when rejected rows are kept."""

    def __init__(
        self, reader: BatchReader, program: Program, letters: Letters, blocking: Blocking
    ) -> None:
        self._reader = reader
        self._program = program
        self._letters = letters
        self._blocking = blocking
        self.steps: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def read_by(self) -> ReadBy | None:
        """What reads the rows."""
        return self._reader.read_by

    async def next(self) -> pa.RecordBatch | None:
        """Return the next rows that arrive, None after the last."""
        while (batch := await self._reader.next()) is not None:
            with self.steps():
                result = await self._blocking.droppable(self._program.run, batch)
            if result.rejected is not None:
                await self._letters.add(result.rejected)
            if result.batch.num_rows:
                return result.batch
        await self._letters.keep()
        return None
