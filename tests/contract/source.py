"""What every Source promises. Subclass; provide `house`, which makes tables and trouble."""

import itertools
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtaas.model.errors import (
    ConnectionLostError,
    SchemaChangedError,
    TableNotFoundError,
    UnsupportedTypeError,
)
from dtaas.model.execution import ReadBy
from dtaas.model.load import Chunk
from dtaas.model.ports import Source
from dtaas.model.schema import Column, TableRef, TableSchema
from dtaas.model.types import ColumnType, Decimal, Integer, String, Uuid

_numbers = itertools.count()
_LIMIT_S = 20.0


def _same_key(text: str) -> str:
    """Return what a case- and accent-insensitive collation compares."""
    plain = unicodedata.normalize("NFD", text.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c)).rstrip()


KEYS: dict[str, tuple[ColumnType, st.SearchStrategy[list[Any]]]] = {
    "integer": (
        Integer(64),
        st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-5, 5), unique=True, max_size=25),
    ),
    "decimal": (
        Decimal(12, 2),
        st.lists(st.decimals("-9999999999", "9999999999", places=2), unique=True, max_size=25),
    ),
    "uuid": (
        Uuid(),
        st.lists(st.uuids().map(str) | st.integers(0, 3).map(lambda n: f"{n:032x}").map(
            lambda h: f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"), unique=True, max_size=25),
    ),
    "string": (
        String(20),
        st.lists(st.text("abzABZéÉ019-_ '.Y", max_size=8), unique_by=_same_key, max_size=25),
    ),
}  # fmt: skip


class House(ABC):
    """A source under test, with the other side in our hands.

    Attributes:
        read_by: what reads its tables; None where there is one way only.
    """

    source: Source
    read_by: ReadBy | None = None

    @abstractmethod
    async def create(self, schema: TableSchema, rows: pa.Table) -> None:
        """Make a table with these rows."""

    @abstractmethod
    async def insert(self, schema: TableSchema, rows: pa.Table) -> None:
        """Add rows."""

    @abstractmethod
    async def retype(self, schema: TableSchema, column: str) -> None:
        """Change the type of a column."""

    @abstractmethod
    def holding_reads(self) -> AbstractAsyncContextManager[None]:
        """Let no read end inside the block."""

    @abstractmethod
    def losing_connections(self) -> AbstractAsyncContextManager[None]:
        """Break the connection of the reads inside the block after some data."""

    async def create_unsupported(self, table: TableRef) -> None:
        """Make a table with a column that cannot be moved."""
        pytest.skip(f"this source holds nothing that cannot be moved, {table} neither")


def key_schema(key: ColumnType, *more: Column) -> TableSchema:
    table = TableRef("dbo", f"contract {next(_numbers)}")
    columns = (
        Column(name="k", type=key, nullable=False),
        Column(name="n", type=Integer(32), nullable=True),
        *more,
    )
    return TableSchema(table=table, columns=columns, key=("k",))


def rows_of(schema: TableSchema, keys: Sequence[Any]) -> pa.Table:
    types = schema.arrow_schema()
    return pa.table([pa.array(keys, types.field(0).type), range(len(keys))], schema=types)


async def read_chunk(
    source: Source, schema: TableSchema, chunk: Chunk, *, rows: int = 1000, size: int = 1 << 20
) -> list[pa.RecordBatch]:
    batches = []
    async with source.read(schema, chunk, batch_rows=rows, batch_bytes=size) as reader:
        while (batch := await reader.next()) is not None:
            batches.append(batch)
    return batches


def numbers(batches: Sequence[pa.RecordBatch]) -> list[int]:
    return [n for batch in batches for n in batch.column("n").to_pylist()]


def by_key(kind: str) -> Any:
    return st.tuples(st.just(kind), KEYS[kind][1])


class SourceContract:
    @given(
        drawn=st.one_of([by_key(kind) for kind in KEYS]),
        chunk_rows=st.integers(1, 8),
    )
    @settings(
        max_examples=24,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    async def test_chunks_are_disjoint_and_cover_every_row(
        self, house: House, drawn: tuple[str, list[Any]], chunk_rows: int
    ) -> None:
        kind, keys = drawn
        schema = key_schema(KEYS[kind][0])
        await house.create(schema, rows_of(schema, keys))
        described = await house.source.describe(schema.table)
        chunks = await house.source.plan(described, chunk_rows=chunk_rows)
        assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
        assert (chunks[0].lower, chunks[-1].upper) == (None, None)
        for before, after in itertools.pairwise(chunks):
            assert before.upper is not None
            assert before.upper == after.lower
        seen = [n for c in chunks for n in numbers(await read_chunk(house.source, described, c))]
        assert sorted(seen) == list(range(len(keys)))

    async def test_table_is_cut_into_several_chunks(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(100)))
        described = await house.source.describe(schema.table)
        chunks = await house.source.plan(described, chunk_rows=30)
        sizes = [len(numbers(await read_chunk(house.source, described, c))) for c in chunks]
        assert len(sizes) == 4
        assert max(sizes) <= 60

    async def test_rows_above_the_planned_keys_come_with_the_last_chunk(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(10)))
        described = await house.source.describe(schema.table)
        chunks = await house.source.plan(described, chunk_rows=4)
        await house.insert(schema, rows_of(schema, [1000]))
        found = await read_chunk(house.source, described, chunks[-1])
        assert 1000 in [k for batch in found for k in batch.column("k").to_pylist()]

    async def test_description_is_what_batches_have(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(10)))
        described = await house.source.describe(schema.table)
        assert described.key == ("k",)
        assert [(c.name, c.type, c.nullable) for c in described.columns] == [
            (c.name, c.type, c.nullable) for c in schema.columns
        ]
        (chunk,) = await house.source.plan(described, chunk_rows=1000)
        (batch,) = await read_chunk(house.source, described, chunk)
        assert batch.schema == described.arrow_schema()

    async def test_batches_keep_to_the_sizes_asked_for(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(500)))
        described = await house.source.describe(schema.table)
        (chunk,) = await house.source.plan(described, chunk_rows=1000)
        few = await read_chunk(house.source, described, chunk, rows=7)
        assert all(1 <= batch.num_rows <= 7 for batch in few)
        small = await read_chunk(house.source, described, chunk, size=256)
        assert all(batch.nbytes <= 256 for batch in small)
        assert numbers(few) == numbers(small) == list(range(500))

    @pytest.mark.parametrize("rows", [0, 3])
    async def test_a_reader_says_what_it_is(self, house: House, rows: int) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(rows)))
        described = await house.source.describe(schema.table)
        (chunk,) = await house.source.plan(described, chunk_rows=1000)
        async with house.source.read(
            described, chunk, batch_rows=1000, batch_bytes=1 << 20
        ) as reader:
            await reader.next()
            assert reader.read_by == house.read_by

    async def test_empty_table_is_one_chunk_without_rows(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, []))
        described = await house.source.describe(schema.table)
        (chunk,) = await house.source.plan(described, chunk_rows=10)
        assert await read_chunk(house.source, described, chunk) == []

    async def test_chunks_are_read_side_by_side(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(90)))
        described = await house.source.describe(schema.table)
        chunks = await house.source.plan(described, chunk_rows=30)
        seen: list[int] = []

        async def read(chunk: Chunk) -> None:
            seen.extend(numbers(await read_chunk(house.source, described, chunk, rows=5)))

        with anyio.fail_after(_LIMIT_S):
            async with anyio.create_task_group() as group:
                for chunk in chunks:
                    group.start_soon(read, chunk)
        assert sorted(seen) == list(range(90))

    async def test_discovery_lists_tables_in_order(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(10)))
        tables = await house.source.discover()
        assert [info.table for info in tables] == sorted(info.table for info in tables)
        (info,) = [info for info in tables if info.table == schema.table]
        assert (info.key, info.column_count, info.unsupported) == (("k",), 2, ())
        assert info.row_count == 10

    async def test_missing_table(self, house: House) -> None:
        with pytest.raises(TableNotFoundError):
            await house.source.describe(TableRef("dbo", "no such table"))

    async def test_unsupported_column_is_named(self, house: House) -> None:
        table = TableRef("dbo", f"contract {next(_numbers)}")
        await house.create_unsupported(table)
        with pytest.raises(UnsupportedTypeError):
            await house.source.describe(table)
        (info,) = [i for i in await house.source.discover() if i.table == table]
        assert info.unsupported

    async def test_changed_table_is_not_read(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(10)))
        described = await house.source.describe(schema.table)
        (chunk,) = await house.source.plan(described, chunk_rows=100)
        await house.retype(schema, "n")
        with pytest.raises(SchemaChangedError):
            await read_chunk(house.source, described, chunk)

    async def test_cancelled_read_leaves_the_source_usable(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(1000)))
        described = await house.source.describe(schema.table)
        (chunk,) = await house.source.plan(described, chunk_rows=10_000)
        with anyio.fail_after(_LIMIT_S):
            async with house.holding_reads():
                with anyio.move_on_after(0.5) as scope:
                    await read_chunk(house.source, described, chunk)
                assert scope.cancelled_caught
            assert len(numbers(await read_chunk(house.source, described, chunk))) == 1000

    async def test_lost_connection_is_retryable_and_never_an_end(self, house: House) -> None:
        schema = key_schema(Integer(64))
        await house.create(schema, rows_of(schema, range(1000)))
        described = await house.source.describe(schema.table)
        (chunk,) = await house.source.plan(described, chunk_rows=10_000)
        with anyio.fail_after(_LIMIT_S):
            async with house.losing_connections():
                with pytest.raises(ConnectionLostError):
                    await read_chunk(house.source, described, chunk)
            assert len(numbers(await read_chunk(house.source, described, chunk))) == 1000

    async def test_check_reports_each_step(self, house: House) -> None:
        seen = []
        report = await house.source.check(seen.append)
        assert report.ok
        assert tuple(seen) == report.steps
        assert report.steps

    async def test_position_is_text(self, house: House) -> None:
        assert isinstance(await house.source.position(), str)

    async def test_closing_twice(self, house: House) -> None:
        await house.source.discover()
        await house.source.aclose()
        await house.source.aclose()
