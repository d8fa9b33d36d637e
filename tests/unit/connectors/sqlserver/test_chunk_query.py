"""What is decided before a chunk is read."""

import pytest

from dtaas.connectors.sqlserver.catalog import SqlTable
from dtaas.connectors.sqlserver.chunk_query import (
    chunk_query,
    key_range,
    longest_allowed,
    matching_columns,
)
from dtaas.connectors.sqlserver.quoting import ascii_batch
from dtaas.connectors.sqlserver.statements import (
    KeyRange,
    count_rows,
    longest_values,
    nth_key,
    utf16_bytes,
)
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.errors import SchemaChangedError, ValueTooLargeError
from dtaas.model.load import Chunk
from dtaas.model.schema import TableRef

REF = TableRef("odd]schema", "t'able 😀")


def column(name: str, kind: str = "int", length: int = 4, *, nullable: bool = False) -> SqlColumn:
    return SqlColumn(
        name=name,
        base_type=kind,
        max_length=length,
        precision=10,
        scale=0,
        collation="Latin1_General_CI_AS",
        nullable=nullable,
    )


def table(*columns: SqlColumn) -> SqlTable:
    return SqlTable(ref=REF, object_id=1, columns=columns, indexes=())


ID, NAME, BODY = column("id"), column("name", "nvarchar", 100), column("body", "nvarchar", -1)


def test_statement_names_every_column_and_follows_the_key() -> None:
    rows = KeyRange(REF, [ID], ("1",), ("9",))
    assert chunk_query(rows, [ID, NAME], longest=0, most_rows=10).sql == (
        "SELECT [id] AS dtaas_0, [name] AS dtaas_1 FROM [odd]]schema].[t'able 😀] "
        "WHERE [id] > CAST(1 AS int) AND [id] <= CAST(9 AS int) ORDER BY [id]"
    )


def test_whole_table_has_neither_condition_nor_order() -> None:
    assert chunk_query(KeyRange(REF), [ID], longest=0, most_rows=10).sql == (
        "SELECT [id] AS dtaas_0 FROM [odd]]schema].[t'able 😀]"
    )


def test_planning_statements() -> None:
    rows = KeyRange(TableRef("dbo", "t"), [ID])
    assert nth_key(rows, 500) == (
        "SELECT CONVERT(varchar(20), [id]) AS k0 FROM [dbo].[t] ORDER BY [id] "
        "OFFSET 499 ROWS FETCH NEXT 2 ROWS ONLY"
    )
    assert count_rows(rows) == "SELECT COUNT_BIG(*) AS n FROM [dbo].[t]"
    assert longest_values(rows, [ID, NAME, BODY]) == (
        "SELECT MAX(DATALENGTH([body]) / 2) AS n0 FROM [dbo].[t]"
    )
    assert utf16_bytes(rows, BODY) == "SELECT CAST([body] AS varbinary(max)) AS v FROM [dbo].[t]"


def test_buffer_is_bounded_in_bytes_not_rows() -> None:
    wide = [column(f"c{i}", "nvarchar", 8000) for i in range(20)]
    query = chunk_query(KeyRange(REF), wide, longest=0, most_rows=1_000_000)
    assert query.transit_rows * 20 * 8008 <= 16 * 1024 * 1024
    assert query.longest is None
    narrow = chunk_query(KeyRange(REF), [ID], longest=0, most_rows=1_000_000)
    assert narrow.transit_rows == 65_535


def test_long_values_get_a_buffer_of_one_row() -> None:
    query = chunk_query(KeyRange(REF), [ID, BODY], longest=50_000_000, most_rows=1000)
    assert query.transit_rows == 1
    assert query.longest is not None
    assert query.longest > 50_000_000


def test_length_for_unbounded_columns_does_not_cut_bounded_ones() -> None:
    wide = column("wide", "nvarchar", 8000)
    query = chunk_query(KeyRange(REF), [wide, BODY], longest=3, most_rows=10)
    assert query.longest is not None
    assert query.longest >= 4000


def test_value_over_the_limit_is_refused_by_name() -> None:
    assert longest_allowed([ID, BODY], [None], most_bytes=10, where="dbo.t") == 0
    assert longest_allowed([ID, BODY], [10], most_bytes=10, where="dbo.t") == 10
    with pytest.raises(ValueTooLargeError, match=r"body of dbo\.t"):
        longest_allowed([ID, BODY], [11], most_bytes=10, where="dbo.t")


def test_schema_must_still_hold() -> None:
    planned = table(ID, NAME).schema()
    assert matching_columns(table(NAME, ID, BODY), planned) == (ID, NAME)
    with pytest.raises(SchemaChangedError, match="name is gone"):
        matching_columns(table(ID), planned)
    with pytest.raises(SchemaChangedError, match=r"was nvarchar\(50\), now nvarchar\(51\)"):
        matching_columns(table(ID, column("name", "nvarchar", 102)), planned)
    with pytest.raises(SchemaChangedError, match="was NOT NULL"):
        matching_columns(table(column("id", nullable=True), NAME), planned)


def test_bounds_of_a_column_that_is_gone() -> None:
    with pytest.raises(SchemaChangedError, match="old is gone"):
        key_range(table(ID), Chunk(index=0, columns=("old",), upper=("1",)))


def test_statement_with_other_characters_travels_as_bytes() -> None:
    assert ascii_batch("SELECT 1") == "SELECT 1"
    batch = ascii_batch("SELECT N'é😀'")
    assert batch.isascii()
    units = "SELECT N'é😀'".encode("utf-16-le").hex()
    assert batch == (
        f"DECLARE @sql nvarchar(max) = CAST(0x{units} AS nvarchar(max)); "
        "EXEC sys.sp_executesql @sql;"
    )
