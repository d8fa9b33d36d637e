"""Values to bytes and back, rows, and the collations they need."""

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtaas.sandbox.sqlserver.results import ResultColumn, SqlError
from dtaas.sandbox.sqlserver.types import MAX, SqlType, Variant
from dtaas.sandbox.sqlserver.wire import collations
from dtaas.sandbox.sqlserver.wire.codecs import cell, codec
from dtaas.sandbox.sqlserver.wire.collations import collation_named, collation_on_wire
from dtaas.sandbox.sqlserver.wire.parameters import read_value
from dtaas.sandbox.sqlserver.wire.reader import Reader
from dtaas.sandbox.sqlserver.wire.rows import RowPacker
from dtaas.sandbox.sqlserver.wire.typeinfo import UnsupportedTypeError

COLLATION = "SQL_Latin1_General_CP1_CI_AS"
DAY = 864_000_000_000
TICKS = st.integers(0, 3_652_059 * DAY - 1)
TEXT = st.text(max_size=20)
LATIN = st.text(st.characters(codec="cp1252"), max_size=20)
BYTES = st.binary(max_size=20)


def integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def offsets(scale: int) -> st.SearchStrategy[bytes]:
    unit = 10 ** (7 - scale)
    ticks = TICKS.map(lambda t: t // unit * unit)
    return st.builds(lambda t, m: struct.pack(">QH", t, m + 840), ticks, st.integers(-840, 840))


def string(name: str, length: int = 20) -> SqlType:
    return SqlType(name, length=length, collation=COLLATION)


def decimals() -> list[tuple[SqlType, st.SearchStrategy[Any]]]:
    return [
        (SqlType(name, precision=p, scale=p // 2), st.integers(-(10**p) + 1, 10**p - 1))
        for p, name in [(1, "decimal"), (9, "numeric"), (10, "decimal"), (19, "numeric"), (20, "decimal"), (28, "decimal"), (29, "numeric"), (38, "decimal")]
    ]  # fmt: skip


def times() -> list[tuple[SqlType, st.SearchStrategy[Any]]]:
    found: list[tuple[SqlType, st.SearchStrategy[Any]]] = []
    for scale in range(8):
        unit = 10 ** (7 - scale)
        found += [
            (SqlType("time", scale=scale), st.integers(0, 86_400 * 10**scale - 1)),
            (SqlType("datetime2", scale=scale), TICKS.map(lambda t, u=unit: t // u * u)),
            (SqlType("datetimeoffset", scale=scale), offsets(scale)),
        ]
    return found


SCALARS: list[tuple[SqlType, st.SearchStrategy[Any]]] = [
    (SqlType("bit"), st.integers(0, 1)),
    (SqlType("tinyint"), st.integers(0, 255)),
    (SqlType("smallint"), integers(16)),
    (SqlType("int"), integers(32)),
    (SqlType("bigint"), integers(64)),
    *decimals(),
    (SqlType("money"), integers(64)),
    (SqlType("smallmoney"), integers(32)),
    (SqlType("real"), st.floats(width=32, allow_nan=False)),
    (SqlType("float"), st.floats(allow_nan=False)),
    (SqlType("date"), st.integers(0, 3_652_058)),
    *times(),
    (SqlType("datetime"), st.integers(-53690 * 25_920_000, 2_958_464 * 25_920_000 - 1)),
    (SqlType("smalldatetime"), st.integers(0, 65_536 * 1440 - 1)),
    (string("char"), LATIN),
    (string("varchar"), LATIN),
    (string("nchar"), TEXT),
    (string("nvarchar"), st.text(st.characters(), max_size=20)),
    (SqlType("binary", 20), BYTES),
    (SqlType("varbinary", 20), BYTES),
    (SqlType("uniqueidentifier"), st.binary(min_size=16, max_size=16)),
]
LONG: list[tuple[SqlType, st.SearchStrategy[Any]]] = [
    (string("varchar", MAX), LATIN),
    (string("nvarchar", MAX), TEXT),
    (SqlType("varbinary", MAX), BYTES),
    (SqlType("xml"), st.text(min_size=1, max_size=20).filter(lambda s: s[0] != "\ufeff")),
    (
        SqlType("sql_variant"),
        st.one_of([values.map(lambda v, s=sql: Variant(s, v)) for sql, values in SCALARS]),
    ),
]


@pytest.mark.parametrize(("sql", "values"), SCALARS + LONG, ids=lambda v: getattr(v, "name", ""))
@pytest.mark.parametrize("nullable", [True, False])
def test_what_is_written_is_read_back(
    sql: SqlType, values: st.SearchStrategy[Any], nullable: bool
) -> None:
    """A parameter has the form of a column, so the two directions prove one another."""
    form = codec(sql, nullable=nullable)

    @given(column=st.lists(values, min_size=1, max_size=5))
    @settings(max_examples=10, deadline=None)
    def law(column: list[Any]) -> None:
        packed = RowPacker([ResultColumn(name="c", type=sql, nullable=nullable)]).pack(
            [[v] for v in column]
        )
        rest = Reader(packed)
        for value in column:
            assert rest.u8() == 0xD1
            one = cell(sql, value) if nullable else rest_of(sql, value)
            assert rest.take(len(one)) == one
            assert read_value(Reader(form.info + one)) == (sql, value)
        assert rest.remaining == 0

    law()


def rest_of(sql: SqlType, value: Any) -> bytes:
    packed = RowPacker([ResultColumn(name="c", type=sql, nullable=False)]).pack([[value]])
    return packed[1:]


@pytest.mark.parametrize(("sql", "_values"), SCALARS + LONG, ids=lambda v: getattr(v, "name", ""))
def test_null_is_read_back(sql: SqlType, _values: Any) -> None:
    assert read_value(Reader(codec(sql, nullable=True).info + cell(sql, None))) == (sql, None)


ROW = st.tuples(
    st.integers(0, 9),
    st.one_of(st.none(), integers(32)),
    st.one_of(st.none(), LATIN),
    st.one_of(st.none(), st.integers(-(10**15) + 1, 10**15 - 1)),
    TEXT,
)
ROW_TYPES = [
    SqlType("bigint"),
    SqlType("int"),
    string("varchar"),
    SqlType("decimal", precision=15),
    string("nvarchar", MAX),
]


@given(found=st.lists(ROW, min_size=1, max_size=20), bitmap=st.booleans())
@settings(max_examples=40, deadline=None)
def test_rows_are_packed_as_each_value_alone(found: list[tuple[Any, ...]], bitmap: bool) -> None:
    nullable = [False, True, True, True, False]
    columns = [
        ResultColumn(name="", type=t, nullable=n) for t, n in zip(ROW_TYPES, nullable, strict=True)
    ]
    packed = RowPacker(columns, null_bitmap=bitmap).pack(found)
    at = 0
    for row in found:
        is_bitmap = packed[at] == 0xD2
        expected = bytes([packed[at]])
        if is_bitmap:
            assert bitmap
            expected += bytes([sum(1 << i for i, v in enumerate(row) if v is None)])
        for sql, value, column in zip(ROW_TYPES, row, columns, strict=True):
            if value is None and is_bitmap:
                continue
            expected += cell(sql, value) if column.nullable else rest_of(sql, value)
        assert packed[at : at + len(expected)] == expected
        at += len(expected)
    assert at == len(packed)


def test_a_row_of_another_width_is_refused() -> None:
    packer = RowPacker([ResultColumn(name="a", type=SqlType("int"))])
    with pytest.raises(ValueError, match="2 values for 1 columns"):
        packer.pack([[1, 2]])
    with pytest.raises(ValueError, match="shorter"):
        packer.pack([[1], []])
    assert packer.pack([]) == b""


def test_a_type_the_wire_does_not_know_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="cursor"):
        codec(SqlType("cursor"), nullable=True)


def test_lone_surrogates_pass() -> None:
    sql = string("nvarchar")
    value = "a\ud83db"
    assert read_value(Reader(codec(sql, nullable=True).info + cell(sql, value))) == (sql, value)


def test_what_a_code_page_lacks_becomes_a_question_mark() -> None:
    assert cell(string("varchar"), "a日b") == b"\3\0a?b"


@pytest.mark.parametrize(
    ("name", "wire", "code_page"),
    [
        ("SQL_Latin1_General_CP1_CI_AS", "0904d00034", "cp1252"),
        ("SQL_Latin1_General_CP1_CS_AS", "0904c00033", "cp1252"),
        ("SQL_Latin1_General_CP850_BIN", "0904000128", "cp850"),
        ("Latin1_General_CI_AS", "0904d00000", "cp1252"),
        ("Latin1_General_100_CI_AS_SC_UTF8", "0904d02400", "utf-8"),
        ("Latin1_General_BIN2", "0904000200", "cp1252"),
        ("Japanese_XJIS_140_CS_AS_KS_WS", "1104003000", "cp932"),
        ("Chinese_PRC_90_CI_AI", "0408f01000", "gbk"),
        ("sql_latin1_general_cp1_ci_as", "0904d00034", "cp1252"),
    ],
)
def test_collations_on_the_wire(name: str, wire: str, code_page: str) -> None:
    found = collation_named(name)
    assert (found.wire.hex(), found.codec) == (wire, code_page)


def test_every_collation_of_the_table_comes_back_from_its_bytes() -> None:
    names = [*collations._SQL, *(f"{base}_100_CS_AI_KS" for base in collations._WINDOWS)]
    for name in names:
        found = collation_named(name)
        back = collation_on_wire(found.wire)
        assert (back.wire, back.codec) == (found.wire, found.codec)
        assert "é".encode(found.codec, "replace")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Latin1",
        "Latin1_General",
        "Latin1_General_CI",
        "Klingon_CI_AS",
        "SQL_Latin1_General_CP1_CI_AI_X",
        "Latin1_General_100_CI_AS_BIN2",
    ],
)
def test_unknown_collations_are_refused(name: str) -> None:
    with pytest.raises(SqlError, match="Invalid collation") as refused:
        collation_named(name or "_")
    assert refused.value.number == 448


def test_an_unknown_locale_of_a_client_means_the_default() -> None:
    assert collation_on_wire(bytes(5)).name == COLLATION
