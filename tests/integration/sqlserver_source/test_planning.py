"""Cutting tables of every kind of key: no row lost, none twice, chunks of the size asked for."""

import uuid

import pyarrow as pa
import pytest

from dtaas.connectors.sqlserver.source import SqlServerSource
from dtaas.model.load import Chunk
from dtaas.model.schema import TableRef
from tests.integration.sqlserver_source.database import Database, load

ROWS = 60


async def check_load(
    source: SqlServerSource, table: TableRef, *, rows: int, chunk_rows: int
) -> tuple[list[Chunk], list[pa.Table]]:
    chunks, tables = await load(source, table, chunk_rows=chunk_rows)
    seen = [n for t in tables for n in t.column("n").to_pylist()]
    assert sorted(seen) == list(range(rows))
    return chunks, tables


KEYS = {
    "smallint": lambda i: f"{i * 100 - 3000}",
    "decimal(20,4)": lambda i: f"{i - 30}.{i:04d}",
    "money": lambda i: f"{i - 30}.{i:04d}",
    "date": lambda i: f"DATEADD(day, {i}, CAST('0001-01-01' AS date))",
    "datetime": lambda i: f"DATEADD(millisecond, {i * 10}, CAST('2024-02-29T23:59:59.700' AS datetime))",
    "datetime2(7)": lambda i: f"'2024-01-01 00:00:00.{i:07d}'",
    "datetimeoffset(7)": lambda i: f"'2024-01-01 {i % 24:02d}:{i:02d}:00 +05:30'",
    "time(7)": lambda i: f"'00:00:00.{i:07d}'",
    "uniqueidentifier": lambda i: f"'{uuid.uuid5(uuid.NAMESPACE_URL, str(i))}'",
    "varchar(20)": lambda i: f"'{chr(65 + i % 26)}-{i % 7}-{i}'",
    "nvarchar(20)": lambda i: f"N'日{i * 7 % 61} é'",
    "char(8)": lambda i: f"'k{i}'",
    "varchar(20) COLLATE Latin1_General_BIN2": lambda i: f"'{'aAbB'[i % 4]}{i}'",
    "binary(4)": lambda i: f"0x{i * 7919 % 2**32:08X}",
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
async def test_every_kind_of_key(
    source: SqlServerSource, database: Database, table: TableRef, kind: str
) -> None:
    key = KEYS[kind]
    await database.create(
        table,
        f"k {kind} NOT NULL PRIMARY KEY, n int NOT NULL",
        *(f"{key(i)}, {i}" for i in range(ROWS)),
    )
    chunks, tables = await check_load(source, table, rows=ROWS, chunk_rows=7)
    assert [t.num_rows for t in tables] == [7] * 8 + [4]
    assert [c.expected_rows for c in chunks] == [7] * 8 + [4]


async def test_dashes_and_digits_in_a_sql_collation(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    """SQL_ collations order varchar otherwise than nvarchar: an nvarchar bound loses rows."""
    keys = [f"Y{'-' if i % 2 else ''}{i % 12}-{i}-{i % 4}" for i in range(ROWS)]
    await database.create(
        table,
        "k varchar(50) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL PRIMARY KEY, n int NOT NULL",
        *(f"'{key}', {i}" for i, key in enumerate(keys)),
    )
    _, tables = await check_load(source, table, rows=ROWS, chunk_rows=5)
    assert [t.num_rows for t in tables] == [5] * 12


async def test_composite_key_of_mixed_types(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(
        table,
        "a int NOT NULL, b varchar(10) NOT NULL, c datetime NOT NULL, n int NOT NULL, "
        "PRIMARY KEY (a, b, c)",
        *(
            f"{i % 3}, '{'xyz'[i % 2]}', DATEADD(day, {i}, CAST('2024-01-01T00:00:00' AS datetime)), {i}"
            for i in range(ROWS)
        ),
    )
    chunks, tables = await check_load(source, table, rows=ROWS, chunk_rows=7)
    assert chunks[0].columns == ("a", "b", "c")
    assert max(t.num_rows for t in tables) == 7


async def test_descending_key(source: SqlServerSource, database: Database, table: TableRef) -> None:
    await database.create(
        table,
        "a int NOT NULL, b int NOT NULL, n int NOT NULL, PRIMARY KEY (a DESC, b DESC)",
        *(f"{i % 5}, {i}, {i}" for i in range(ROWS)),
    )
    chunks, _ = await check_load(source, table, rows=ROWS, chunk_rows=8)
    assert chunks[0].columns == ("a", "b")


async def test_key_of_mixed_direction_is_cut_by_its_first_column(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(
        table,
        "a int NOT NULL, b int NOT NULL, n int NOT NULL, PRIMARY KEY (a, b DESC)",
        *(f"{i % 10}, {i}, {i}" for i in range(ROWS)),
    )
    chunks, tables = await check_load(source, table, rows=ROWS, chunk_rows=9)
    assert chunks[0].columns == ("a",)
    assert len(tables) > 2


async def test_nullable_clustered_key(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "a int NULL, n int NOT NULL")
    await database.run(f"CREATE CLUSTERED INDEX cx ON dbo.{table.name} (a)")
    values = [None] * 20 + list(range(-20, 20))
    await database.insert(
        table, *(f"{'NULL' if a is None else a}, {n}" for n, a in enumerate(values))
    )
    chunks, tables = await check_load(source, table, rows=60, chunk_rows=7)
    assert tables[0].num_rows == 21  # every NULL and the first key
    assert len(chunks) > 4


async def test_more_equal_keys_than_a_chunk_takes(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(table, "a int NOT NULL, n int NOT NULL")
    await database.run(f"CREATE CLUSTERED INDEX cx ON dbo.{table.name} (a)")
    await database.insert(table, *(f"{i // 40}, {i}" for i in range(ROWS)))
    _, tables = await check_load(source, table, rows=ROWS, chunk_rows=3)
    assert tables[0].num_rows == 40


async def test_heap_is_one_stream(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(
        table, "a int NOT NULL, n int NOT NULL", *(f"1, {i}" for i in range(ROWS))
    )
    chunks, _ = await check_load(source, table, rows=ROWS, chunk_rows=7)
    (chunk,) = chunks
    assert chunk.columns == ()
    assert chunk.expected_rows == ROWS


async def test_dense_numbers_are_cut_by_arithmetic(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    rows = 400
    await database.create(
        table,
        "k int NOT NULL PRIMARY KEY, n int NOT NULL",
        *(f"{i - 100}, {i}" for i in range(rows)),
    )
    chunks, tables = await check_load(source, table, rows=rows, chunk_rows=20)
    assert {t.num_rows for t in tables} == {20}
    assert sum(c.expected_rows or 0 for c in chunks) == rows


async def test_planned_bounds_hold_when_the_table_grows(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await database.create(
        table,
        "k int NOT NULL PRIMARY KEY, n int NOT NULL",
        *(f"{i * 10}, {i}" for i in range(20)),
    )
    schema = await source.describe(table)
    chunks = await source.plan(schema, chunk_rows=6)
    await database.insert(table, "-5, 20", "55, 21", "1000, 22")
    seen = []
    for chunk in chunks:
        async with source.read(schema, chunk, batch_rows=10, batch_bytes=1 << 20) as reader:
            while (batch := await reader.next()) is not None:
                seen += batch.column("n").to_pylist()
    assert sorted(seen) == list(range(23))


async def test_names_with_brackets_quotes_and_emoji(
    source: SqlServerSource, database: Database
) -> None:
    table = TableRef("dbo", "odd ]name'\" ; -- 😀/é")
    await database.run(
        "CREATE TABLE [dbo].[odd ]]name'\" ; -- 😀/é] ([k]]'😀] int NOT NULL PRIMARY KEY, n int)",
        "INSERT INTO [dbo].[odd ]]name'\" ; -- 😀/é] VALUES (1, 0), (2, 1), (3, 2)",
    )
    chunks, _ = await check_load(source, table, rows=3, chunk_rows=2)
    assert chunks[0].columns == ("k]'😀",)
    await database.drop(table)


async def partitioned(database: Database, table: TableRef, key: str, *, right: bool) -> None:
    """Make a table partitioned by day: 8 days, one a partition, the last ones without rows."""
    name = table.name
    side = "RIGHT" if right else "LEFT"
    days = ", ".join(f"'2024-01-{day:02d}'" for day in range(1, 9))
    await database.run(
        f"CREATE PARTITION FUNCTION pf_{name} (date) AS RANGE {side} FOR VALUES ({days})",
        f"CREATE PARTITION SCHEME ps_{name} AS PARTITION pf_{name} ALL TO ([PRIMARY])",
        f"CREATE TABLE dbo.{name} (d date NOT NULL, i int NOT NULL, n int NOT NULL, {key}) "
        f"ON ps_{name} (d)",
    )
    await database.insert(
        table, *(f"'2024-01-{1 + i % 6:02d}', {i // 3}, {i}" for i in range(ROWS))
    )


@pytest.mark.parametrize("right", [False, True])
async def test_partitioned_heap_is_cut_at_its_boundaries(
    source: SqlServerSource, database: Database, table: TableRef, right: bool
) -> None:
    await partitioned(database, table, "CHECK (n >= 0)", right=right)
    chunks, tables = await check_load(source, table, rows=ROWS, chunk_rows=20)
    assert chunks[0].columns == ("d",)
    assert len(chunks) > 2
    assert max(t.num_rows for t in tables) <= 30  # RANGE RIGHT counts a boundary on its other side


async def test_partitions_beside_another_key_are_read_partition_by_partition(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await partitioned(database, table, "PRIMARY KEY (i, n, d)", right=False)
    chunks, _ = await check_load(source, table, rows=ROWS, chunk_rows=10)
    assert chunks[0].columns == ("d",)


async def test_partitions_that_lead_the_key_are_cut_by_the_key(
    source: SqlServerSource, database: Database, table: TableRef
) -> None:
    await partitioned(database, table, "PRIMARY KEY (d, i, n)", right=True)
    chunks, tables = await check_load(source, table, rows=ROWS, chunk_rows=10)
    assert chunks[0].columns == ("d", "i", "n")
    assert {t.num_rows for t in tables} == {10}
    info = next(i for i in await source.discover() if i.table == table)
    assert info.partitions == 9
