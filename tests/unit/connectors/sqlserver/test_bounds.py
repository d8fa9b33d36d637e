"""Key ranges: typed literals, and the law that chunks are disjoint and cover every key."""

import sqlite3
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtaas.connectors.sqlserver.bounds import bound_text, can_bound, literal, range_predicate
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.errors import SourceQueryError


def column(name: str, kind: str, *, nullable: bool = False, **more: object) -> SqlColumn:
    values = {"max_length": 0, "precision": 0, "scale": 0, "collation": None, **more}
    return SqlColumn(name=name, base_type=kind, nullable=nullable, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "text", "expected"),
    [
        (column("k", "bigint"), "-9223372036854775808", "CAST(-9223372036854775808 AS bigint)"),
        (column("k", "decimal", precision=38, scale=2), "-.01", "CAST(-.01 AS decimal(38,2))"),
        (column("k", "money"), "-1.0000", "CAST(-1.0000 AS money)"),
        (column("k", "date"), "0001-01-01", "CONVERT(date, '0001-01-01', 23)"),
        (
            column("k", "datetime"),
            "2024-02-29 23:59:59.997",
            "CONVERT(datetime, '2024-02-29 23:59:59.997', 121)",
        ),
        (
            column("k", "datetime2", scale=7),
            "9999-12-31 23:59:59.9999999",
            "CONVERT(datetime2(7), '9999-12-31 23:59:59.9999999', 121)",
        ),
        (
            column("k", "datetimeoffset", scale=0),
            "2024-02-29 23:59:59 -05:30",
            "CONVERT(datetimeoffset(0), '2024-02-29 23:59:59 -05:30', 121)",
        ),
        (
            column("k", "varchar", max_length=50, collation="Cyrillic_General_CI_AS"),
            "О'Брайен",
            "CAST(N'О''Брайен' COLLATE Cyrillic_General_CI_AS AS varchar(50))",
        ),
        (
            column("k", "nvarchar", max_length=100, collation="Latin1_General_BIN2"),
            "日本",
            "CAST(N'日本' COLLATE Latin1_General_BIN2 AS nvarchar(50))",
        ),
        (
            column("k", "uniqueidentifier"),
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            "CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier)",
        ),
        (column("k", "timestamp"), "0x00000000000007D1", "CAST(0x00000000000007D1 AS binary(8))"),
    ],
)
def test_literal_has_the_column_s_own_type(of: SqlColumn, text: str, expected: str) -> None:
    assert literal(of, text) == expected


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "1); DROP TABLE t; --"),
        ("int", ""),
        ("decimal", "-"),
        ("date", "2024-01-01'"),
        ("uniqueidentifier", "'"),
        ("varbinary", "0xZZ"),
        ("float", "1"),
    ],
)
def test_stored_bound_that_is_no_value_is_refused(kind: str, text: str) -> None:
    with pytest.raises(SourceQueryError):
        literal(column("k", kind), text)


def test_floats_and_unbounded_columns_cannot_cut_a_table() -> None:
    assert not can_bound(column("k", "float"))
    assert not can_bound(column("k", "varbinary", max_length=-1))
    assert can_bound(column("k", "varbinary", max_length=16))


def test_null_and_lone_surrogates_make_no_bound() -> None:
    assert bound_text(None) is None
    assert bound_text(b"\x3d\xd8a\0") is None
    assert bound_text("a😀".encode("utf-16-le")) == "a😀"
    assert bound_text("17") == "17"


VALUES = st.one_of(st.none(), st.integers(-3, 3))


@given(
    rows=st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=30),
    bounds=st.lists(st.tuples(*[st.integers(-3, 3)] * 3), max_size=5, unique=True),
    width=st.integers(1, 3),
)
def test_every_row_lies_in_exactly_one_range(
    rows: list[tuple[int | None, ...]], bounds: list[tuple[int, ...]], width: int
) -> None:
    # SQLite knows [names], CAST, three-valued logic and NULL as SQL Server does.
    columns = [column(name, "int", nullable=True) for name in "abc"[:width]]
    cuts = sorted({b[:width] for b in bounds})
    edges = [None, *[tuple(map(str, cut)) for cut in cuts], None]
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER)")
        db.executemany("INSERT INTO t (a, b, c) VALUES (?, ?, ?)", rows)
        seen: list[int] = []
        for lower, upper in pairwise(edges):
            where = range_predicate(columns, lower, upper) or "1"
            seen += [n for (n,) in db.execute(f"SELECT n FROM t WHERE {where}")]
    db.close()
    assert sorted(seen) == list(range(1, len(rows) + 1))


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=20))
def test_ranges_follow_the_order_of_the_key(rows: list[tuple[int, int]]) -> None:
    columns = [column("a", "int"), column("b", "int")]
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (a INTEGER, b INTEGER)")
        db.executemany("INSERT INTO t VALUES (?, ?)", rows)
        where = range_predicate(columns, ("-1", "0"), ("1", "2"))
        found = sorted(db.execute(f"SELECT a, b FROM t WHERE {where}"))
    db.close()
    assert found == sorted(row for row in rows if (-1, 0) < row <= (1, 2))


def test_leading_comparison_stands_alone_so_that_an_index_is_sought() -> None:
    columns = [column("a", "int"), column("b]", "int")]
    assert range_predicate(columns, ("1", "2"), None) == (
        "([a] >= CAST(1 AS int) AND ([a] > CAST(1 AS int) OR [b]]] > CAST(2 AS int)))"
    )
