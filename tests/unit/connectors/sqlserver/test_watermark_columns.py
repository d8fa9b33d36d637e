"""Which column is the watermark, and its values as numbers."""

import pytest

from dtaas.connectors.sqlserver.catalog import SqlTable
from dtaas.connectors.sqlserver.incremental.columns import choose
from dtaas.connectors.sqlserver.incremental.values import number_of, overlap_of, text_of
from dtaas.connectors.sqlserver.types import SqlColumn
from dtaas.model.errors import SourceQueryError, WatermarkNeededError
from dtaas.model.schema import TableRef
from dtaas.model.watermark import Watermark, WatermarkKind


def column(name: str, base: str, *, scale: int = 0, nullable: bool = False) -> SqlColumn:
    return SqlColumn(
        name=name, base_type=base, max_length=8, precision=18, scale=scale, collation=None,
        nullable=nullable,
    )  # fmt: skip


def table(*columns: SqlColumn) -> SqlTable:
    return SqlTable(ref=TableRef("dbo", "t"), object_id=1, columns=columns, indexes=())


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (column("c", "int"), "-2147483648"),
        (column("c", "bigint"), "9223372036854775807"),
        (column("c", "decimal"), "999999999999999999"),
        (column("c", "datetime"), "1753-01-01 00:00:00.000"),
        (column("c", "datetime"), "2024-02-29 23:59:59.997"),
        (column("c", "smalldatetime"), "2079-06-06 23:59:00"),
        (column("c", "datetime2", scale=7), "9999-12-31 23:59:59.9999999"),
        (column("c", "datetime2", scale=0), "0001-01-01 00:00:00"),
        (column("c", "datetimeoffset", scale=3), "2024-02-29 00:00:00.123 +00:00"),
    ],
)
def test_values_come_back_exactly(made: SqlColumn, text: str) -> None:
    assert text_of(made, number_of(made, text)) == text


def test_moments_with_an_offset_are_compared_in_utc() -> None:
    made = column("c", "datetimeoffset", scale=0)
    east = number_of(made, "2024-03-01 02:00:00 +05:30")
    west = number_of(made, "2024-02-29 12:30:00 -08:00")
    assert east == west
    assert text_of(made, east) == "2024-02-29 20:30:00 +00:00"


def test_what_lies_below_a_type_has_no_text() -> None:
    assert text_of(column("c", "tinyint"), -1) is None
    for base in ("datetime", "datetime2", "smalldatetime", "datetimeoffset"):
        made = column("c", base)
        year = {"datetime": 1753, "smalldatetime": 1900}.get(base, 1)
        zone = " +00:00" if base == "datetimeoffset" else ""
        first = number_of(made, f"{year:04}-01-01 00:00:00{zone}")
        assert text_of(made, first) is not None
        assert text_of(made, first - overlap_of(made, overlap_s=1, overlap_values=9)) is None


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(SourceQueryError):
        number_of(column("c", "datetime"), "yesterday")


ROWVERSION = column("rv", "timestamp", nullable=True)
IDENTITY = column("id", "int")
MODIFIED = column("at", "datetime2")


@pytest.mark.parametrize(
    ("columns", "wanted", "found"),
    [
        ((IDENTITY, MODIFIED, ROWVERSION), None, ("rv", WatermarkKind.ROWVERSION)),
        ((IDENTITY, column("n", "int")), None, ("id", WatermarkKind.KEY)),
        ((IDENTITY, MODIFIED), "at", ("at", WatermarkKind.MODIFIED_AT)),
        ((IDENTITY, MODIFIED), "id", ("id", WatermarkKind.KEY)),
    ],
)
def test_a_column_is_chosen(
    columns: tuple[SqlColumn, ...], wanted: str | None, found: tuple[str, WatermarkKind]
) -> None:
    watermark = Watermark(column=wanted) if wanted else None
    chosen, kind, _ = choose(table(*columns), watermark, identities=["id"], field="$.w")
    assert (chosen.name, kind) == found


@pytest.mark.parametrize(
    ("columns", "watermark", "field", "hint"),
    [
        ((IDENTITY, MODIFIED), None, "$.w", "at"),
        ((column("n", "int"),), None, "$.w", "Add a rowversion column"),
        ((IDENTITY,), Watermark(column="x"), "$.w.column", "Name one of: id"),
        ((IDENTITY,), Watermark(column="id", kind=WatermarkKind.MODIFIED_AT), "$.w.column", "id"),
        ((column("at", "datetime", nullable=True),), Watermark(column="at"), "$.w.column", "NULL"),
        ((column("d", "decimal", scale=2),), Watermark(column="d"), "$.w.column", "rowversion"),
        ((column("d", "date"),), Watermark(column="d"), "$.w.column", "rowversion"),
    ],
)
def test_what_will_not_do_is_refused_with_what_would(
    columns: tuple[SqlColumn, ...], watermark: Watermark | None, field: str, hint: str
) -> None:
    with pytest.raises(WatermarkNeededError) as caught:
        choose(table(*columns), watermark, identities=["id"], field=field.removesuffix(".column"))
    assert caught.value.field == field
    assert hint in caught.value.hint
