"""SQL Server's types and their canonical forms."""

import pytest

from dtaas.connectors.sqlserver.types import (
    SqlColumn,
    canonical_type,
    declaration,
    is_unbounded,
    select_item,
    to_column,
)
from dtaas.model import types as t
from dtaas.model.errors import UnsupportedTypeError


def column(kind: str, length: int = 0, precision: int = 0, scale: int = 0, **more) -> SqlColumn:
    return SqlColumn(
        name=more.pop("name", "c"),
        base_type=kind,
        max_length=length,
        precision=precision,
        scale=scale,
        collation=None,
        nullable=True,
        **more,
    )


@pytest.mark.parametrize(
    ("of", "native", "expected"),
    [
        (column("bit"), "bit", t.Boolean()),
        (column("tinyint"), "tinyint", t.Integer(16)),
        (column("bigint"), "bigint", t.Integer(64)),
        (column("decimal", 17, 38, 10), "decimal(38,10)", t.Decimal(38, 10)),
        (column("money", 8, 19, 4), "money", t.Decimal(19, 4)),
        (column("smallmoney", 4, 10, 4), "smallmoney", t.Decimal(10, 4)),
        (column("real", 4, 24), "real", t.Float(32)),
        (column("time", 5, 16, 7), "time(7)", t.Time(7)),
        (column("datetime2", 8, 27, 7), "datetime2(7)", t.Timestamp(7)),
        (column("datetime", 8, 23, 3), "datetime", t.Timestamp(3)),
        (column("smalldatetime", 4, 16, 0), "smalldatetime", t.Timestamp(0)),
        (column("datetimeoffset", 10, 34, 7), "datetimeoffset(7)", t.TimestampTz(7)),
        (column("nvarchar", 100), "nvarchar(50)", t.String(50)),
        (column("nvarchar", -1), "nvarchar(max)", t.String()),
        (column("varchar", 50), "varchar(50)", t.String(50)),
        (column("ntext", 16), "ntext", t.String()),
        (column("binary", 4), "binary(4)", t.Binary(4)),
        (column("image", 16), "image", t.Binary()),
        (column("timestamp", 8), "rowversion", t.Binary(8)),
        (column("uniqueidentifier", 16), "uniqueidentifier", t.Uuid()),
        (column("xml", -1), "xml", t.Xml()),
        (column("sql_variant", 8016), "sql_variant", t.Variant()),
        (column("hierarchyid", 892), "hierarchyid", t.String(4000)),
        (column("geography", -1), "geography", t.String()),
    ],
)
def test_type_is_kept(of: SqlColumn, native: str, expected: t.ColumnType) -> None:
    assert canonical_type(of) == expected
    assert declaration(of) == native
    assert to_column(of).native_type == native


def test_unknown_type_is_refused_with_the_column_and_the_way_out() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"\[odd\]\]\].*type thing") as raised:
        canonical_type(column("thing", name="odd]"))
    assert "view" in raised.value.hint


@pytest.mark.parametrize("flag", ["is_encrypted", "is_clr"])
def test_what_only_the_client_could_read_is_refused(flag: str) -> None:
    with pytest.raises(UnsupportedTypeError):
        canonical_type(column("varbinary", -1, **{flag: True}))


def test_unbounded_columns_are_those_whose_length_says_nothing() -> None:
    assert is_unbounded(column("varbinary", -1))
    assert is_unbounded(column("text", 16))
    assert is_unbounded(column("sql_variant", 8016))
    assert not is_unbounded(column("nvarchar", 8000))


def test_plain_columns_are_selected_as_they_are() -> None:
    assert select_item(column("int", name="a]b"), 3) == "[a]]b] AS dtaas_3"


def test_clr_types_are_selected_as_text() -> None:
    assert select_item(column("hierarchyid", 892), 0) == "[c].ToString() AS dtaas_0"
    assert "AsTextZM()" in select_item(column("geometry", -1), 1)
